// A job as it goes on: server-sent events where they come through, polls where they do not.
import { call, Problem } from "./api.js";

export const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const POLL_MS = 2000;

/**
 * Call `show(job)` with the job of GET /jobs/{id} now and whenever it has changed, until it has ended.
 * `gone(problem)` where it cannot be read. Returns a function that stops listening.
 */
export function watchJob(id, show, gone = () => {}) {
  let job = null, source = null, timer = null, isStopped = false;

  async function look() {
    try {
      job = await call("GET", `/jobs/${id}`);
    } catch (error) {
      if (error instanceof Problem && error.status && error.status < 500) { stop(); gone(error); return; }
    }
    if (isStopped) return;
    if (job) show(job);
    if (job && ENDED.has(job.status)) stop();
    else again();
  }
  // The stream tells states and progress, not the place in the queue; without a stream, polls tell everything.
  function again() {
    clearTimeout(timer);
    if (job?.status === "queued" || source.readyState !== EventSource.OPEN) timer = setTimeout(look, POLL_MS);
  }
  function stop() { isStopped = true; source?.close(); clearTimeout(timer); }

  source = new EventSource(`/jobs/${id}/events`);
  source.addEventListener("state", look);
  source.addEventListener("progress", (event) => {
    if (!job) return;
    job = { ...job, progress: JSON.parse(event.data) };
    show(job);
  });
  source.addEventListener("error", again);
  look();
  return stop;
}
