// Buttons that remove a thing for good: they ask first.
import { acting, call } from "../api.js";

for (const button of document.querySelectorAll("[data-remove]")) {
  button.addEventListener("click", () => {
    const { remove, then, confirm: question } = button.dataset;
    if (!window.confirm(question)) return;
    acting(button, async () => {
      await call("DELETE", remove);
      location.assign(then);
    });
  });
}
