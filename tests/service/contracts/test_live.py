from __future__ import annotations

from redis import Redis

from service.contracts import live


def test_progress_is_what_was_written_last(redis: Redis) -> None:
    assert live.read_progress(redis, "job-1") is None
    live.write_progress(redis, "job-1", live.Progress(step="sampling", value=1, max=10))
    live.write_progress(redis, "job-1", live.Progress(step="sampling", value=2, max=10, eta_seconds=8.0))
    assert live.read_progress(redis, "job-1") == live.Progress(step="sampling", value=2, max=10, eta_seconds=8.0)
    assert live.read_progress(redis, "job-2") is None


def test_a_cancel_is_seen_until_it_is_cleared(redis: Redis) -> None:
    assert not live.cancel_requested(redis, "job-1")
    live.request_cancel(redis, "job-1")
    assert live.cancel_requested(redis, "job-1")
    assert not live.cancel_requested(redis, "job-2")
    live.clear(redis, "job-1")
    assert not live.cancel_requested(redis, "job-1")
    assert redis.keys("cdmt:*") == []


def test_progress_in_the_words_of_another_version_is_none(redis: Redis) -> None:
    redis.set("cdmt:job:job-1:progress", '{"step": "sampling", "percent": 4}')
    live.write_progress(redis, "job-2", live.Progress(step="sampling", value=1, max=10))
    assert live.read_progress(redis, "job-1") is None
    assert [found is None for found in live.read_progresses(redis, ["job-1", "job-2", "job-3"])] == [True, False, True]
