from __future__ import annotations

import os
from datetime import timedelta

from service.contracts.jobs import now
from service.contracts.storage import ArtifactStore
from service.contracts.webhooks import DELIVERY, LEFT_SECONDS, Delivery, Outbox
from tests.service.making import add_job


def test_a_mark_stays_until_the_delivery_is_over(store: ArtifactStore) -> None:
    outbox = Outbox(store)
    for job_id in ("job-1", "job-2"):
        outbox.add(job_id)
        add_job(store, job_id)
    assert outbox.job_ids() == ["job-1", "job-2"]
    assert outbox.delivery("job-1") == Delivery()
    retrying = Delivery(status="retrying", attempts=1, next_attempt_at=now(), error="answered 500")
    outbox.put_down("job-1", retrying)
    assert Outbox(store).delivery("job-1") == retrying
    assert outbox.job_ids() == ["job-1", "job-2"]
    for job_id, status in (("job-1", "delivered"), ("job-2", "failed")):
        outbox.put_down(job_id, Delivery.model_validate({"status": status, "attempts": 2}))
    assert outbox.job_ids() == []
    assert outbox.delivery("job-2").status == "failed"


def test_a_job_that_was_deleted_meanwhile_does_not_come_back(store: ArtifactStore) -> None:
    outbox = Outbox(store)
    outbox.add("job-1")
    outbox.put_down("job-1", Delivery(status="delivered", attempts=1))
    assert outbox.job_ids() == []
    assert not store.exists("jobs", "job-1")


def test_a_mark_without_a_job_may_be_that_of_one_being_created(store: ArtifactStore) -> None:
    outbox = Outbox(store)
    outbox.add("job-1")
    outbox.remove_left("job-1")
    assert outbox.job_ids() == ["job-1"]
    before = outbox.root.stat().st_mtime - LEFT_SECONDS - 1
    os.utime(outbox.root / "job-1", (before, before))
    outbox.remove_left("job-1")
    outbox.remove_left("job-1")
    assert outbox.job_ids() == []


def test_what_cannot_be_understood_counts_as_nothing_tried(store: ArtifactStore) -> None:
    add_job(store, "job-1")
    (store.directory("jobs", "job-1") / DELIVERY).write_text("{")
    assert Outbox(store).delivery("job-1") == Delivery()


def test_the_next_attempt_comes_in_its_time_and_does_not_wait_for_a_clock_that_went_back() -> None:
    last = now()
    delivery = Delivery(
        status="retrying", attempts=1, last_attempt_at=last, next_attempt_at=last + timedelta(seconds=300)
    )
    due = {seconds: delivery.is_due(last + timedelta(seconds=seconds)) for seconds in (-7200, -1, 0, 299, 300, 7200)}
    assert due == {-7200: True, -1: True, 0: False, 299: False, 300: True, 7200: True}
    assert Delivery().is_due(last)
