"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from model.spec.errors import CDMTError

_PR_SET_PDEATHSIG = 1


class LaunchError(CDMTError):
    """A process of the stack cannot start; the message says what to do about it."""


def start(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv` as a child that the kernel stops with SIGTERM when its parent dies, however it dies.

    Call it from the main thread: the kernel counts the end of the thread that started the child as the parent's death.
    The child has a process group of its own, so that a Ctrl-C at the terminal reaches the parent alone, which then
    stops its children in order. `env` is added to the parent's environment. With `log`, output is appended there.
    """
    environment = {**os.environ, **(env or {})}
    output = None if log is None else log.open("ab")
    try:
        return subprocess.Popen(
            list(argv),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            process_group=0,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  the parent has no threads when it forks
        )
    except OSError as error:
        raise LaunchError(f"cannot start {argv[0]}: {error.strerror}") from error
    finally:
        if output is not None:
            output.close()


def become(argv: Sequence[str], *, env: Mapping[str, str]) -> NoReturn:
    """Replace this process by `argv`; `env` is added to the environment."""
    os.execve(argv[0], list(argv), {**os.environ, **env})  # noqa: S606  no shell is wanted


def stop(child: subprocess.Popen[bytes], *, grace: float) -> int:
    """Ask `child` to end, kill its whole process group after `grace` seconds, and return its exit status."""
    if child.poll() is None:
        child.terminate()
    return wait(child, grace=grace)


def wait(child: subprocess.Popen[bytes], *, grace: float) -> int:
    """The exit status of `child`, which has been asked to end; its process group is killed after `grace` seconds."""
    try:
        return child.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait()


def _die_with(parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: little is safe after it

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return in_child
