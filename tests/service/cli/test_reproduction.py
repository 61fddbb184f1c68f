from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from service.cli.app import main

N_STAYS, HOURS = 300, 4
COMMAND = (
    "reproduce", "--data", "stays.parquet", "--out", "results", "--work", "work", "--quick", "--tables", "7",
    "--stays", "100", "--processes", "2", "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small table, of which one value in 300 is nobody else's."""
    rng = np.random.default_rng(0)
    stay = np.repeat(np.arange(N_STAYS), HOURS)
    death = (np.arange(N_STAYS) % 3 == 0).astype("int8")[stay]
    heart_rate = 80 + 20 * death + rng.normal(0, 5, len(stay))
    heart_rate[rng.random(len(stay)) < 0.2] = np.nan
    hours = np.tile(np.arange(HOURS), N_STAYS)
    frame = pd.DataFrame({"stay_id": stay, "hour": hours, "heart_rate": heart_rate, "in_hospital_death": death})
    frame.to_parquet(tmp_path / "stays.parquet", index=False)
    frame.drop(columns="in_hospital_death").to_parquet(tmp_path / "plain.parquet", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cdmt", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def wait_for(folder: Path, pattern: str, *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(folder.glob(pattern)), pattern


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_reproduction_that_was_killed_goes_on_and_one_that_is_done_is_not_done_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "service.cli", *COMMAND, "--minutes", "0.05"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(folder, "work/trainings/*")
        process.kill()
    wait_for(folder, "work/trainings/*/training.json")  # its child was told, and kept what it had

    assert run(monkeypatch, *COMMAND, "--minutes", "0.05") == 0
    written = json.loads((folder / "results" / "results.json").read_text())
    assert written["quick"]
    assert written["provenance"]["command"] == f"cdmt {' '.join(COMMAND)} --minutes 0.05"
    assert {(one["arm"], one["seed"], one["status"]) for one in written["runs"]} == {
        (arm, 0, "ok") for arm in ("ours-uncond", "ours-comb", "ours-bal")
    }
    page = (folder / "results" / "README.md").read_text()
    assert page.startswith("# Quick reproduction")
    assert "| ours, CFG-bal | 1 |" in page
    assert not list((folder / "results").rglob("*.parquet"))

    assert run(monkeypatch, *COMMAND, "--minutes", "0.05") == 0
    again = json.loads((folder / "results" / "results.json").read_text())
    assert again["runs"] == written["runs"]


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (("--data", "nowhere.parquet"), 2, "nowhere.parquet"),
        ((), 2, "--data"),
        (("--data", "plain.parquet"), 1, "plain.parquet has no column that looks like an outcome"),
        (("--data", "stays.parquet", "--tables", "2,8"), 1, "no table '8'; there are: 2, 3"),
        (("--data", "stays.parquet", "--seeds", "0"), 2, "--seeds"),
        (("--data", "stays.parquet", "--stays", "10"), 2, "--stays"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_left_behind(
    folder: Path,
    arguments: tuple[str, ...],
    status: int,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = set(folder.iterdir())
    assert run(monkeypatch, "reproduce", *arguments) == status
    assert complaint in capsys.readouterr().err
    assert set(folder.iterdir()) == before
