// A job, live; and what one can do with it once it has ended.
import { acting, request } from "../api.js";
import { ENDED, watchJob } from "../events.js";
import { buttonsOfJobs, showProgress } from "../jobs.js";
import { drawLosses } from "../losses.js";
import { refresh } from "../refresh.js";
import { curlOf, fillSnippet, pythonOf, pythonWith } from "../snippet.js";

const box = () => document.getElementById("job");
const { job: id, kind } = box().dataset;

buttonsOfJobs(() => refresh("job"));
if (!ENDED.has(box().dataset.status)) {
  let status = box().dataset.status, place = null;
  watchJob(id, async (job) => {
    const isNews = job.status !== status || job.queue_position !== place || (job.progress && !document.querySelector("progress"));
    [status, place] = [job.status, job.queue_position];
    if (isNews) await refresh("job").catch(() => {});
    showProgress(job);
    const figure = document.getElementById("losses");
    if (figure) drawLosses(figure, job.progress?.losses ?? []);
  }, () => location.reload());
}

const snippet = document.getElementById("snippet"); // of a job that failed, there is nothing to fetch
const what = kind === "generate" ? "/cohort" : "/report";
if (snippet) fillSnippet(snippet, {
  curl: curlOf("GET", `/jobs/${id}${what}`, { output: kind === "generate" ? `synthetic-cohort-${id}.parquet` : `report-${id}.json` }),
  python: pythonWith(kind === "generate" ? `frame = client.job(${pythonOf(id)}).wait().to_pandas()` : `report = client.job(${pythonOf(id)}).wait().report()`),
});

// A held cohort is taken by an admin who says why: the reason goes into a header, so the file comes by way of this page.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("#override");
  if (!form) return;
  event.preventDefault();
  acting(form.querySelector("button"), async () => {
    const reason = new TextEncoder().encode(form.elements.reason.value.trim());
    const header = String.fromCharCode(...reason); // UTF-8 in a header: each byte as a character
    const answer = await request("GET", form.dataset.cohort, { headers: { [form.dataset.header]: header } });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "cohort.parquet";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    await refresh("job");
  }, form);
});
