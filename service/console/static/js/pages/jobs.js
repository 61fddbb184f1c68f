// The list of jobs, live: a stream each for a few that run (browsers allow six in all), and a look at the list for the rest.
import { watchJob } from "../events.js";
import { buttonsOfJobs, showProgress } from "../jobs.js";
import { refresh } from "../refresh.js";

const STREAMS = 3;
const LOOK_MS = 5000;
const streams = new Map();

for (const select of document.querySelectorAll("[data-submit]")) {
  select.addEventListener("change", () => {
    const wanted = new URLSearchParams([...new FormData(select.form)].filter(([, value]) => value));
    location.assign(`/console/jobs${wanted.size ? `?${wanted}` : ""}`);
  });
}

function follow() {
  const rows = [...document.querySelectorAll("[data-job]")].filter(({ dataset }) => ["queued", "running", "cancelling"].includes(dataset.status));
  for (const { dataset: { job: id, status } } of rows.slice(0, STREAMS)) {
    if (streams.has(id)) continue;
    let known = status;
    streams.set(id, watchJob(id, (job) => {
      showProgress(job);
      const row = document.querySelector(`[data-job="${CSS.escape(id)}"]`);
      const isNews = job.status !== known || (job.progress && row && !row.querySelector("progress"));
      known = job.status;
      if (isNews) look();
    }, () => look()));
  }
  for (const [id, stop] of streams) {
    if (!rows.some(({ dataset }) => dataset.job === id)) { stop(); streams.delete(id); }
  }
}

async function look() {
  await refresh("jobs").catch(() => {}); // the network may be away; the next look will tell
  follow();
}

buttonsOfJobs(look);
if (document.getElementById("jobs").dataset.live === "yes") {
  follow();
  setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
}
