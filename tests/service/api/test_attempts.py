from __future__ import annotations

import pytest

from service.api import attempts as module
from service.api.attempts import BURST, REFILL_SECONDS, Attempts
from service.contracts.errors import TooManyAttempts


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock=clock)


def exhaust(attempts: Attempts, address: str) -> None:
    for _ in range(BURST):
        attempts.check(address, "guess")
        attempts.wrong(address)


def test_after_so_many_wrong_keys_one_must_wait(attempts: Attempts, clock: Clock) -> None:
    exhaust(attempts, "192.0.2.1")
    with pytest.raises(TooManyAttempts) as caught:
        attempts.check("192.0.2.1", "guess")
    assert caught.value.retry_after == REFILL_SECONDS
    clock.now += REFILL_SECONDS
    attempts.check("192.0.2.1", "guess")
    attempts.wrong("192.0.2.1")
    with pytest.raises(TooManyAttempts):
        attempts.check("192.0.2.1", "guess")


def test_another_address_need_not(attempts: Attempts) -> None:
    exhaust(attempts, "192.0.2.1")
    attempts.check("192.0.2.2", "guess")


def test_who_was_let_in_before_is_not_locked_out_by_others_behind_the_same_proxy(attempts: Attempts) -> None:
    attempts.right("192.0.2.1", "ann's key")
    exhaust(attempts, "192.0.2.1")
    attempts.check("192.0.2.1", "ann's key")
    with pytest.raises(TooManyAttempts):
        attempts.check("192.0.2.1", "bob's key")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),  # one machine may have all addresses of a /64
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("made up", "another one" * 1000, True),
    ],
)
def test_whose_attempts_they_are(attempts: Attempts, one: str, other: str, same: bool) -> None:
    exhaust(attempts, one)
    if same:
        with pytest.raises(TooManyAttempts):
            attempts.check(other, "guess")
    else:
        attempts.check(other, "guess")


def test_it_remembers_a_bounded_number(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 100)
    for n in range(1000):
        attempts.wrong(f"10.0.{n // 256}.{n % 256}")
        attempts.right("192.0.2.1", f"key {n}")
    assert len(attempts._left) == len(attempts._right) == 100
