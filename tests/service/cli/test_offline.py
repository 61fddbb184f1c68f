from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import structlog
from pyarrow import parquet

from service.cli.app import main

N_STAYS, HOURS = 120, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small table of stays, and a model trained on it by `cdmt train`."""
    folder = tmp_path_factory.mktemp("offline")
    made_up_stays().to_parquet(folder / "stays.parquet", index=False)
    done = cdmt(folder, "train", "stays.parquet", "--out", "icu", "--steps", "30")
    assert done.returncode == 0, done.stderr
    return folder


def made_up_stays(*, seed: int = 0) -> pd.DataFrame:
    """Stays whose heart rate tells who dies; a fifth of the values missing."""
    rng = np.random.default_rng(seed)
    stay = np.repeat(np.arange(N_STAYS), HOURS)
    death = (np.arange(N_STAYS) % 4 == 0).astype("int8")[stay]
    heart_rate = 80 + 20 * death + rng.normal(0, 5, len(stay))
    heart_rate[rng.random(len(stay)) < 0.2] = np.nan
    hours = np.tile(np.arange(HOURS), N_STAYS)
    return pd.DataFrame({"stay_id": stay, "hour": hours, "heart_rate": heart_rate, "in_hospital_death": death})


def cdmt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`cdmt` in a process of its own, as somebody at a terminal in `folder` would run it."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "CDMT_DEVICE": "cpu"}
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def label_counts(cohort: Path) -> dict[int, int]:
    """Label -> stays in a cohort."""
    labels = pd.read_parquet(cohort).groupby("stay_id")["in_hospital_death"].first()
    return {int(label): int((labels == label).sum()) for label in labels.unique()}


@pytest.mark.slow
def test_training_leaves_a_model_with_its_report_and_no_checkpoints(folder: Path) -> None:
    files = {path.name for path in (folder / "icu").iterdir()}
    assert {"weights.safetensors", "record.json", "report.html", "report.json"} <= files
    assert json.loads((folder / "icu" / "record.json").read_text())["name"] == "icu"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_cohort_has_exactly_the_labels_that_were_asked_for(folder: Path) -> None:
    ratio = "in_hospital_death=1:0.3,0:0.7"
    done = cdmt(folder, "generate", "icu", "-n", "200", "--ratio", ratio, "--out", "cohort.parquet", "--steps", "5")
    assert done.returncode == 0, done.stderr
    assert label_counts(folder / "cohort.parquet") == {1: 60, 0: 140}
    assert "cohort.parquet" in done.stdout
    assert "privacy: not evaluated. " in done.stdout


@pytest.mark.slow
def test_a_preset_goes_behind_the_options(folder: Path) -> None:
    done = cdmt(folder, "generate", "icu", "-n", "50", "--preset", "paper", "--steps", "5", "--out", "paper.parquet")
    assert done.returncode == 0, done.stderr
    request = json.loads(parquet.read_metadata(folder / "paper.parquet").metadata[b"cdmt.request"])
    paper = {"solver": "euler", "n_steps": 5, "guidance_scale": 1.5, "start": "zero", "churn": 0.0}
    assert (request["sampler"], request["missing"]) == (paper, "imputed")


@pytest.mark.slow
def test_a_table_that_is_too_close_can_be_an_error(folder: Path) -> None:
    made_up_stays(seed=1).to_parquet(folder / "others.parquet", index=False)
    files = ("stays.parquet", "stays.parquet", "--holdout", "others.parquet", "--report", "held.html")
    done = cdmt(folder, "evaluate", *files, "--fail-if-held")
    assert done.returncode == 3, done.stderr
    assert (folder / "held.html").exists()


@pytest.mark.slow
def test_the_report_of_a_cohort_is_put_where_it_is_wanted(folder: Path) -> None:
    places = ("--out", "out/c.parquet", "--report", "out/r.html", "--json", "out/r.json")
    done = cdmt(folder, "generate", "icu", "-n", "60", "--ratio", "balanced", "--steps", "5", *places)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["c.parquet", "r.html", "r.json"]


@pytest.mark.slow
def test_any_synthetic_table_can_be_compared_with_a_real_one(folder: Path) -> None:
    files = ("stays.parquet", "stays.parquet", "--report", "same.html", "--json", "same.json")
    done = cdmt(folder, "evaluate", *files)
    assert done.returncode == 0, done.stderr
    assert "privacy: HELD BACK. " in done.stdout
    assert (folder / "same.html").read_text().lower().startswith("<!doctype html>")
    json.loads((folder / "same.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (("train", "stays.parquet", "--out", "icu"), 1, "icu exists already"),
        (("train", "text.txt", "--out", "other"), 1, "neither Parquet nor CSV"),
        (("generate", "icu", "-n", "9", "--ratio", "in_hospital_death=1:0.3,0:0.6"), 1, "sum to 0.9"),
        (("generate", "icu", "-n", "9", "--ratio", "death=balanced"), 1, "unknown label 'death'"),
        (("generate", "icu", "-n", "9", "--mode", "unconditional", "--ratio", "balanced"), 2, "unconditional"),
        (("generate", "icu", "-n", "9", "--out", "cohort.csv"), 1, ".parquet"),
        (("generate", "nowhere", "-n", "9"), 1, "nowhere"),
        (("generate", "icu", "-n", "0"), 2, "--stays"),
        (("evaluate", "stays.parquet", "nothing.parquet"), 2, "nothing.parquet"),
        (("evaluate", "stays.parquet", "stays.parquet", "--holdout", "nothing.parquet"), 2, "nothing.parquet"),
        (("evaluate", "stays.parquet", "text.txt"), 1, "the synthetic table"),
        (("evaluate", "stays.parquet", "stays.parquet", "--holdout", "text.txt"), 1, "the holdout table"),
        (("evaluate", "stays.parquet", "stays.parquet", "--detail", "huge"), 2, "huge"),
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
    (folder / "text.txt").write_text("no table")
    before = set(folder.iterdir())
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["cdmt", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert complaint in capsys.readouterr().err
    assert set(folder.iterdir()) == before


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
