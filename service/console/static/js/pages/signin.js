// The key is sent once, and put nowhere; the cookie that comes back is out of reach of scripts.
import { acting, call, flash, Problem, setFieldError } from "../api.js";

const form = document.getElementById("sign-in");
const key = document.getElementById("key");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  acting(form.querySelector("button"), async () => {
    const given = key.value.trim();
    if (!given) { complain("Paste your key here."); return; }
    if (!/^[\x21-\x7e]+$/.test(given)) { complain("This is no key: it has blanks or letters that keys do not have."); return; }
    try {
      await call("POST", "/session", { headers: { Authorization: `Bearer ${given}` } });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      complain("This key does not open this service. It may have been mistyped, expired or revoked.");
      return;
    }
    flash("Signed in.", { kind: "good" });
    location.assign(form.dataset.next);
  }, form);
});

function complain(message) {
  setFieldError(key.closest(".field"), message);
  key.focus();
}
