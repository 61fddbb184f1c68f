// Sending a large form, with how far it is: fetch does not tell, XMLHttpRequest does.
import { Problem } from "./api.js";

/** POST `form` to `path`; `told(share)` while it is sent. The JSON of the answer; Problem for anything but success. */
export function send(path, form, { told, headers = {} }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    const token = document.querySelector("meta[name=csrf-token]")?.content;
    if (token) request.setRequestHeader("X-CSRF-Token", token);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => told(total ? loaded / total : 0));
    request.addEventListener("error", () => reject(new Problem({ title: "Not sent", detail: "The service does not answer, or the file has changed since it was chosen. Nothing was stored." })));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.response ?? { title: request.statusText, detail: `The service answers with status ${request.status}.`, status: request.status }));
    });
    request.send(form);
  });
}
