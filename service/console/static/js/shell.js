// On every page: times of the reader, and signing out.
import { acting, call } from "./api.js";
import { localTimes } from "./words.js";

localTimes();
setInterval(localTimes, 30_000);

const signOut = document.getElementById("sign-out");
signOut?.addEventListener("click", () => acting(signOut, async () => {
  await call("DELETE", "/session");
  location.assign("/signin");
}));
