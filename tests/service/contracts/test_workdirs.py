from __future__ import annotations

from pathlib import Path

from service.contracts.job_store import JobStore
from service.contracts.storage import RECORD, ArtifactStore
from service.contracts.workdirs import sweep_work
from tests.service.making import add_job


def test_only_what_belongs_to_jobs_that_have_ended_goes(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    jobs = JobStore(store)
    for job_id in ("waits", "runs", "done", "strange"):
        add_job(store, job_id)
    jobs.transition("runs", lambda job: job.model_copy(update={"status": "running"}))
    jobs.transition("done", lambda job: job.model_copy(update={"status": "cancelled"}))
    (store.directory("jobs", "strange") / RECORD).write_text("{}")
    for job_id in ("waits", "runs", "done", "strange", "deleted"):
        (store.work_dir(job_id) / "training.safetensors").write_bytes(b"kept")
    assert sweep_work(jobs) == 2
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"waits", "runs", "strange"}
    assert sweep_work(jobs) == 0
