from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from service.contracts.errors import KeyInFlight, KeyReused
from service.contracts.idempotency import KEPT_SECONDS, Answer, HeldKey, KeyStore, fingerprint
from service.contracts.storage import RECORD

ANSWER = Answer(status=202, headers={"Location": "/jobs/1"}, body="{}")


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path)


def hold(keys: KeyStore, key: str = "key", *, caller: str | None = None, request: str = "a") -> HeldKey:
    return keys.hold(key, caller=caller, fingerprint=fingerprint(request))


def answered(keys: KeyStore, key: str = "key", *, caller: str | None = None) -> str:
    held = hold(keys, key, caller=caller)
    held.keep(ANSWER)
    held.release()
    return held.claim.thing_id


def age(keys: KeyStore, seconds: float) -> None:
    """Make every key so many seconds older, as if the time had passed."""
    for folder in keys.root.iterdir():
        record = folder / RECORD
        text = record.read_text()
        year = text[text.index('"created_at": "') :][15:19]
        record.write_text(text.replace(f'"created_at": "{year}', f'"created_at": "{int(year) - 1}'))
        before = folder.stat().st_mtime - seconds
        os.utime(folder, (before, before))


def test_the_first_answer_is_kept(keys: KeyStore) -> None:
    thing_id = answered(keys)
    again = hold(KeyStore(keys.root.parent))
    assert (again.claim.answer, again.claim.thing_id, again.is_resumed) == (ANSWER, thing_id, False)


def test_a_key_is_for_one_request_and_one_caller(keys: KeyStore) -> None:
    answered(keys)
    with pytest.raises(KeyReused):
        hold(keys, request="b")
    assert hold(keys, caller="somebody").claim.answer is None
    assert hold(keys, "another key").claim.answer is None


def test_a_key_in_flight_is_nobody_elses(keys: KeyStore) -> None:
    first = hold(keys)
    for _ in range(2):
        with pytest.raises(KeyInFlight):
            hold(keys)
    first.release()
    second = hold(keys)
    assert second.is_resumed
    assert second.claim.thing_id == first.claim.thing_id


def test_a_request_that_made_nothing_frees_its_key(keys: KeyStore) -> None:
    first = hold(keys)
    first.forget()
    first.release()
    second = hold(keys, request="b")
    assert not second.is_resumed
    assert second.claim.thing_id != first.claim.thing_id


def test_nothing_of_key_or_request_can_be_read_in_the_store(keys: KeyStore) -> None:
    answered(keys, "hunter2-key")
    held = list(keys.root.rglob("*"))
    assert not any("hunter2" in str(path) or (path.is_file() and "hunter2" in path.read_text()) for path in held)


def test_old_keys_are_swept_but_for_those_in_flight(keys: KeyStore) -> None:
    answered(keys, "old")
    in_flight = hold(keys, "in flight")
    age(keys, KEPT_SECONDS + 1)
    answered(keys, "new")
    assert keys.sweep() == 1
    assert hold(keys, "new").claim.answer == ANSWER
    in_flight.release()
    assert keys.sweep() == 1
    assert keys.sweep() == 0
    assert len(list(keys.root.iterdir())) == 1


def test_a_key_that_is_too_old_is_free_before_it_is_swept(keys: KeyStore) -> None:
    thing_id = answered(keys)
    age(keys, 0)
    assert hold(keys, request="b").claim.thing_id != thing_id


@pytest.mark.parametrize("content", [None, "", "{}", "not JSON"])
def test_a_claim_that_a_crash_left_unwritten_is_none(keys: KeyStore, content: str | None) -> None:
    answered(keys)
    (folder,) = keys.root.iterdir()
    (folder / RECORD).unlink()
    if content is not None:
        (folder / RECORD).write_text(content)
    assert not hold(keys, request="b").is_resumed


def _hold_for_ever(root: Path, held: Event) -> None:
    claim = hold(KeyStore(root))
    held.set()
    signal.pause()
    claim.release()


def test_the_death_of_its_process_frees_a_key_and_keeps_its_claim(tmp_path: Path) -> None:
    context = get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold_for_ever, args=(tmp_path, held))
    process.start()
    assert held.wait(30)
    keys = KeyStore(tmp_path)
    with pytest.raises(KeyInFlight):
        hold(keys)
    process.kill()
    process.join()
    assert hold(keys).is_resumed


def _race(root: Path, results: list[str]) -> None:
    try:
        held = hold(KeyStore(root))
    except KeyInFlight:
        results.append("in flight")
        return
    results.append("again" if held.claim.answer else "made")
    held.keep(ANSWER)
    held.release()


def test_of_many_at_once_one_makes_the_thing(tmp_path: Path) -> None:
    context = get_context("spawn")
    with context.Manager() as manager:
        results = manager.list()
        processes = [context.Process(target=_race, args=(tmp_path, results)) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert sorted(results).count("made") == 1
        assert len(results) == 8
