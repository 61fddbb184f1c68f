from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service import process
from service.process import LaunchError

ORPHAN = """
import time
from service import process
print(process.start(["sleep", "60"]).pid, flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = Path("/proc", parent.stdout.readline().strip())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists()


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(LaunchError, match="cannot start /no/such/program"):
        process.start(["/no/such/program"])


def test_output_goes_to_the_log_and_the_environment_is_added_to(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    process.start(["sh", "-c", "echo $GREETING from $HOME; echo oops >&2"], env={"GREETING": "hello"}, log=log).wait()
    assert log.read_text() == f"hello from {Path.home()}\noops\n"


def test_a_child_that_does_not_heed_is_killed_with_its_own_children() -> None:
    deaf = process.start(["sh", "-c", "trap '' TERM; sleep 60"])
    time.sleep(0.2)
    assert process.stop(deaf, grace=0.2) == -signal.SIGKILL
