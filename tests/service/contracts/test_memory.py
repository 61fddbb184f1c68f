"""A process that crashes leaves no image of its memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = "from service.contracts.memory import no_core_dumps; no_core_dumps(); no_core_dumps(); {then}"


def limit_core(hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


@pytest.mark.parametrize(("hard", "limit"), [(resource.RLIM_INFINITY, 1), (1 << 20, 1), (0, 0)])
def test_the_limit_holds_whatever_it_was_before(hard: int, limit: int) -> None:
    show = "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))"
    command = [sys.executable, "-c", CRASH.format(then=show)]
    shown = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: limit_core(hard),
    ).stdout
    assert shown.split() == [str(limit), str(hard)]


@pytest.mark.parametrize("module", ["service", "worker"])
def test_gateway_and_worker_begin_with_it(module: str, tmp_path: Path) -> None:
    """Both end at once for want of a Redis; by then the limit is set."""
    script = f"""
import resource, runpy, sys
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
sys.argv = {[module, *(["--queue", "train"] if module == "worker" else [])]}
try:
    runpy.run_module("{module}", run_name="__main__")
except SystemExit:
    print(resource.getrlimit(resource.RLIMIT_CORE)[0] <= 1)
"""
    env = {"CDMT_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [sys.executable, "-c", script], check=True, env=env, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.splitlines()[-1] == "True"
