from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from service.contracts.errors import IllegalTransition, NotFound
from service.contracts.job_store import JobStore
from service.contracts.jobs import MAX_CHANGES, TERMINAL, TRANSITIONS, JobRecord, JobState
from service.contracts.storage import ArtifactStore
from tests.service.making import add_job

STATES: tuple[JobState, ...] = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled")
PATHS: dict[JobState, tuple[JobState, ...]] = {
    "queued": (),
    "running": ("running",),
    "cancelling": ("running", "cancelling"),
    "succeeded": ("running", "succeeded"),
    "failed": ("running", "failed"),
    "cancelled": ("cancelled",),
}


def become(jobs: JobStore, job_id: str, status: JobState) -> JobRecord:
    return jobs.transition(job_id, lambda job: job.model_copy(update={"status": status}))


def count_attempts(store: ArtifactStore, job_id: str, times: int) -> None:
    jobs = JobStore(store)
    for _ in range(times):
        jobs.transition(job_id, lambda job: job.model_copy(update={"status": "running", "attempts": job.attempts + 1}))


def test_a_record_is_read_as_it_was_written(store: ArtifactStore, jobs: JobStore) -> None:
    record = add_job(store, "job-1")
    assert jobs.read("job-1") == record
    with pytest.raises(NotFound):
        jobs.read("job-2")


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_states_follow_each_other_as_the_table_says(
    store: ArtifactStore, jobs: JobStore, before: JobState, after: JobState
) -> None:
    add_job(store, "job-1")
    for status in PATHS[before]:
        become(jobs, "job-1", status)
    if after in TRANSITIONS[before]:
        assert become(jobs, "job-1", after).status == after
        assert jobs.read("job-1").status == after
    else:
        with pytest.raises(IllegalTransition):
            become(jobs, "job-1", after)
        assert jobs.read("job-1").status == before


def test_terminal_states_lead_nowhere() -> None:
    assert {state for state in STATES if not TRANSITIONS[state]} == TERMINAL == {"succeeded", "failed", "cancelled"}


def test_a_change_that_raises_changes_nothing(store: ArtifactStore, jobs: JobStore) -> None:
    def fail(job: JobRecord) -> JobRecord:
        raise RuntimeError("no")

    record = add_job(store, "job-1")
    with pytest.raises(RuntimeError):
        jobs.transition("job-1", fail)
    assert jobs.read("job-1") == record


def test_processes_do_not_lose_each_others_changes(store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    processes = [get_context("fork").Process(target=count_attempts, args=(store, "job-1", 10)) for _ in range(2)]
    for process in processes:
        process.start()
    threads = [threading.Thread(target=count_attempts, args=(store, "job-1", 10)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for process in processes:
        process.join()
    for thread in threads:
        thread.join()
    assert jobs.read("job-1").attempts == 40


def test_whoever_waits_for_a_removed_job_hears_that_it_is_gone(store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    become(jobs, "job-1", "cancelled")
    heard: list[Exception] = []

    def wait_and_change() -> None:
        try:
            become(jobs, "job-1", "running")
        except NotFound as error:
            heard.append(error)

    with jobs._locked(store.directory("jobs", "job-1")):
        waiting = threading.Thread(target=wait_and_change)
        waiting.start()
        time.sleep(0.1)
        store.remove("jobs", "job-1")
    waiting.join()
    assert len(heard) == 1


def test_lists_are_newest_first_and_active_leaves_out_what_has_ended(store: ArtifactStore, jobs: JobStore) -> None:
    for job_id in ("job-1", "job-2", "job-3"):
        add_job(store, job_id)
    become(jobs, "job-2", "cancelled")
    assert [job.id for job in jobs.records()] == ["job-3", "job-2", "job-1"]
    assert [job.id for job in jobs.active()] == ["job-3", "job-1"]
    become(jobs, "job-3", "cancelled")
    assert [job.id for job in jobs.active()] == ["job-1"]
    assert [job.id for job in JobStore(store).active()] == ["job-1"]


def test_only_a_job_that_has_ended_can_be_removed(store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    with pytest.raises(IllegalTransition, match="cancel it first"):
        jobs.remove("job-1")
    become(jobs, "job-1", "cancelled")
    jobs.remove("job-1")
    with pytest.raises(NotFound):
        jobs.remove("job-1")


def test_every_change_of_the_state_is_noted(store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    for status in ("running", "running", "queued", "running", "cancelling", "cancelled"):
        become(jobs, "job-1", status)
    states = jobs.read("job-1").states
    assert [state.status for state in states] == ["queued", "running", "queued", "running", "cancelling", "cancelled"]
    assert [state.number for state in states] == [1, 2, 3, 4, 5, 6]
    assert list(states) == sorted(states, key=lambda state: state.at)


def test_of_very_many_changes_the_last_are_kept_under_their_numbers(store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    for _ in range(MAX_CHANGES):
        become(jobs, "job-1", "running")
        become(jobs, "job-1", "queued")
    record = jobs.read("job-1")
    assert len(record.changes) == MAX_CHANGES
    assert record.states[-1].number == 2 * MAX_CHANGES + 1


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_job_expires_so_long_after_its_end(store: ArtifactStore, status: JobState) -> None:
    jobs = JobStore(store, retention_seconds=100)
    add_job(store, "job-1")
    assert become(jobs, "job-1", "running").expires_at is None
    ended = datetime(2026, 1, 1, tzinfo=UTC)
    jobs.transition("job-1", lambda job: job.model_copy(update={"status": status, "finished_at": ended}))
    expires_at = jobs.read("job-1").expires_at
    assert expires_at == ended + timedelta(seconds=100)
    assert jobs.expired(expires_at) == []  # not known to have ended yet
    assert list(jobs.active()) == []
    assert jobs.expired(expires_at - timedelta(seconds=1)) == []
    assert jobs.expired(expires_at) == ["job-1"]
    jobs.remove("job-1")
    assert jobs.expired(expires_at) == []


def test_without_retention_jobs_stay(store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    assert become(jobs, "job-1", "cancelled").expires_at is None
    assert list(jobs.active()) == []
    assert jobs.expired(datetime.max.replace(tzinfo=UTC)) == []


def test_what_somebody_else_has_removed_is_forgotten(store: ArtifactStore) -> None:
    jobs = JobStore(store, retention_seconds=1)
    add_job(store, "job-1")
    become(jobs, "job-1", "cancelled")
    assert list(jobs.active()) == []
    store.remove("jobs", "job-1")
    assert list(jobs.active()) == []
    assert jobs.expired(datetime.max.replace(tzinfo=UTC)) == []


def test_what_a_process_left_that_died_while_it_wrote_the_record_goes_with_the_next_change(
    store: ArtifactStore, jobs: JobStore
) -> None:
    add_job(store, "job-1")
    folder = store.directory("jobs", "job-1")
    (folder / ".record.json.123.abcd").write_text("{")
    (folder / ".webhook.json.123.abcd").write_text("{")  # of the gateway, which may be writing
    jobs.transition("job-1", lambda job: job)
    assert sorted(path.name for path in folder.iterdir()) == [".webhook.json.123.abcd", "record.json"]
