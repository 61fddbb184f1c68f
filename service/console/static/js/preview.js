// A dry run: a few stays drawn by a real job, looked at, and the job deleted again.
import { call, request } from "./api.js";
import { ENDED, watchJob } from "./events.js";
import { drawStays } from "./strips.js";
import { parseCsv, staysOf } from "./table.js";

/** Draw stays as `body` asks for into `box`; `tell(words)` says how it goes. Returns {job, nLeftOut}. Problem. */
export async function preview(body, model, box, tell) {
  const started = await call("POST", "/jobs/generate", { json: body, once: true });
  try {
    const job = await ended(started, tell);
    if (job.status !== "succeeded") throw new Error(job.error?.detail ?? "The preview was cancelled.");
    const answer = await request("GET", `/jobs/${job.id}/cohort?format=csv`, { headers: { Accept: "text/csv" } });
    const stays = staysOf(parseCsv(await answer.text()), model.schema);
    return { job, nLeftOut: drawStays(box, stays, model.schema) };
  } finally {
    await call("DELETE", `/jobs/${started.id}`).catch(() => {}); // if it cannot be deleted now, it is in the list of jobs
  }
}

function ended(job, tell) {
  return new Promise((resolve, reject) => {
    watchJob(job.id, (now) => {
      if (ENDED.has(now.status)) resolve(now);
      else if (now.status === "queued") tell(now.queue_position ? `${now.queue_position} jobs are before the preview.` : "Waiting for a worker …");
      else tell("Drawing eight stays …");
    }, reject);
  });
}
