"""Jobs survive what can happen to processes, disk and Redis: `make chaos ROUNDS=20 SEED=1`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.client import Client
from tests.chaos.conftest import ROUNDS, SEED
from tests.chaos.faults import FAULTS
from tests.chaos.rounds import Round

ROUND_SECONDS = 600
QUICK = ("horse", "worker", "gateway", "valkey-1s", "disk-full", "race")
"""The faults that `make test` injects, once; the others take a minute or more each and are left to `make chaos`."""

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(ROUND_SECONDS * max(1, ROUNDS))]


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=() if fault in QUICK else pytest.mark.chaos) for fault in FAULTS]
)
def test_jobs_survive(fault: str, client: Client, truth: dict[str, str], log_folder: Path) -> None:
    for number in range(ROUNDS):
        seed = SEED + number
        scene = Round(fault, seed, client=client, truth=truth)
        for name in ("small", "long", "judged"):
            scene.learn(name)
        began = time.monotonic()
        try:
            scene.run()
        except AssertionError as error:
            told = "\n".join(client.violations)
            where = f"{fault}, CDMT_CHAOS_SEED={seed}, jobs {scene.jobs}, logs in {log_folder}"
            raise AssertionError(f"{where}: {error}\n{told}") from error
        print(f"{fault} seed {seed}: {time.monotonic() - began:.1f} s")  # noqa: T201  shown by -s and on failure
