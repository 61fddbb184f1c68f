// What the pages of jobs have in common: progress as it comes, and the buttons.
import { acting, call, flash } from "./api.js";
import { count, duration } from "./words.js";

/** Show the progress of a job in its bar. */
export function showProgress({ id, progress }) {
  const bar = document.querySelector(`[data-progress="${CSS.escape(id)}"]`);
  if (!bar || !progress) return;
  bar.max = progress.max || 1;
  bar.value = progress.value;
  const words = bar.parentElement.querySelector("[data-steps]");
  words.textContent = progressWords(progress, JSON.parse(words.dataset.steps));
}

/** The words of a step, such as a step of 3 of 10; `names` are what the steps are called. */
function progressWords({ step, value, max, eta_seconds: eta }, names) {
  const of = max > 1 ? `, ${count(value)} of ${count(max)}` : "";
  return `${names[step] ?? step}${of}${eta === null ? "" : `, about ${duration(eta)} left`}`;
}

/** Let the buttons to cancel and to delete work, also those that come later; `done` is called after each. */
export function buttonsOfJobs(done) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-cancel], [data-delete]");
    if (!button) return;
    const { cancel, delete: removed } = button.dataset;
    acting(button, async () => {
      if (cancel) {
        await call("POST", `/jobs/${cancel}/cancel`);
        flash("The job is being cancelled.");
        await done();
      } else if (confirm("Delete this job with its cohort and report? This cannot be undone.")) {
        await call("DELETE", `/jobs/${removed}`);
        location.assign("/console/jobs");
      }
    });
  });
}
