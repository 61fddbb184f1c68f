"""What the gateway does not read itself: limits that hold, and what comes back."""

from __future__ import annotations

import errno
import io
import os
import signal
import time
from functools import partial

import pytest

from model.spec.errors import TableTooLarge
from service.api.apart import FIRST_BYTES, _outcome, allow_memory, run_apart
from tests.service.making import SECRET


def _die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def _fail() -> int:
    return int(f"{SECRET}")


def _take(*, allowed: int) -> int:
    allow_memory(allowed)
    return len(bytearray(FIRST_BYTES + 2**28))


def _find_the_disk_full() -> int:
    raise OSError(errno.ENOSPC, "no space", "/srv/secret/path")


def test_a_process_that_is_killed_for_its_memory_takes_nobody_along() -> None:
    with pytest.raises(TableTooLarge, match="more memory than there is"):
        run_apart(_die, log_level="info")


def test_more_memory_than_is_allowed_is_not_to_be_had() -> None:
    with pytest.raises(TableTooLarge, match="more memory than there is"):
        run_apart(partial(_take, allowed=0), log_level="info")
    assert run_apart(partial(_take, allowed=2 * FIRST_BYTES), log_level="info") > FIRST_BYTES


def test_what_takes_too_long_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(TableTooLarge, match=r"longer than 0\.2 seconds"):
        run_apart(partial(time.sleep, 60), log_level="info", seconds=0.2)
    assert time.monotonic() - begin < 30


def test_a_full_disk_is_told_without_the_path() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        run_apart(_find_the_disk_full, log_level="info")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, None)


def test_an_error_that_nobody_foresaw_quotes_nothing(log_lines: io.StringIO) -> None:
    with pytest.raises(RuntimeError, match="could not be checked") as caught:
        run_apart(_fail, log_level="info")
    assert str(int(SECRET)) not in str(caught.value)
    assert _outcome(_fail) is None  # as in that process, whose lines go where the first of them went
    assert "ValueError" in log_lines.getvalue()
    assert str(int(SECRET)) not in log_lines.getvalue()
