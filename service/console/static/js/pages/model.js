// How the loss of a model fell as it was trained.
import { drawLosses } from "../losses.js";

const figure = document.getElementById("losses");

drawLosses(figure, JSON.parse(figure.dataset.losses));
