"""Strangers' files are read in a process of its own: a bomb bursts there, within limits, and not in the gateway.

The process is a fork of one that has imported what it needs and nothing else of ours, so it begins at once.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar, cast

import structlog

from model.data.room import available_memory
from model.spec.errors import CDMTError, TableTooLarge
from service.contracts.logs import configure_logs

FIRST_BYTES = 2**29
"""What the process may take in any case, beside what it has when it begins."""
MAX_SECONDS = 1800
NO_MEMORY = "to read the file takes more memory than there is, or than what it says of itself can explain"
NO_TIME = "to read the file takes longer than {:g} seconds"

Result = TypeVar("Result")

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["service.api.checking", "service.api.archives"])

log = structlog.get_logger(__name__)


def run_apart(work: Callable[[], Result], *, log_level: str, seconds: float = MAX_SECONDS) -> Result:
    """What `work`, which must be picklable, returns or raises of our errors and of the disk's.

    TableTooLarge where it takes too long, is killed, or has no memory; RuntimeError where it fails unexpectedly, which
    it logs.
    """
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_answer, args=(sender, work, log_level, seconds), daemon=True)
    process.start()
    sender.close()
    with receiver:
        try:
            outcome: object = receiver.recv() if receiver.poll(seconds) else TableTooLarge(NO_TIME.format(seconds))
        except EOFError:
            outcome = TableTooLarge(NO_MEMORY)
        finally:
            process.kill()
            process.join()
    if isinstance(outcome, (CDMTError, OSError)):
        raise outcome
    if outcome is None:
        raise RuntimeError("a file could not be checked; its process has logged why")
    return cast(Result, outcome)


def allow_memory(n_bytes: int) -> None:
    """It may take so much from now on, or what is free if that is less; never less than before. Apart only."""
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _taken() + min(n_bytes, available_memory())
    if before != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_DATA, (max(before, wanted), most))


def _answer(sender: Connection, work: Callable[[], object], log_level: str, seconds: float) -> None:
    """In the fresh process. Only our own errors leave it: the words of others may quote a patient's value."""
    Path("/proc/self/oom_score_adj").write_text("1000")  # if the memory runs out, this process ends and no other
    configure_logs(log_level)
    limit = _taken() + min(FIRST_BYTES, available_memory())
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # patients' values would be in it
    cpu = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))  # where the gateway is no more to end it
    sender.send(_outcome(work))


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except CDMTError as error:
        return error
    except MemoryError:
        return TableTooLarge(NO_MEMORY)
    except OSError as error:
        if error.errno is not None:
            return OSError(error.errno, os.strerror(error.errno))  # without the path
        log.error("unexpected error", exc_info=error)
    except Exception as error:
        log.error("unexpected error", exc_info=error)
    return None


def _taken() -> int:
    """Bytes that count towards RLIMIT_DATA: the private memory that can be written to."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return 1024 * int(line.split()[1])
    return 0
