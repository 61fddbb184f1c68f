from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from service.cli import app as cli
from tests.model.data.sources.raw import eicu, mimic, vital_rows, write


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `cdmt` with these arguments; 0 if it just returns."""
    monkeypatch.setattr(sys, "argv", ["cdmt", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def small_mimic(folder: Path) -> Path:
    """Raw files of two stays, of an adult and of a newborn."""
    stays = [{"SUBJECT_ID": i, "HADM_ID": i, "ICUSTAY_ID": i, "INTIME": "2101-10-20 19:08:00"} for i in (1, 2)]
    return mimic(
        folder,
        {
            "ICUSTAYS": stays,
            "ADMISSIONS": [{"HADM_ID": 1, "HOSPITAL_EXPIRE_FLAG": 1}, {"HADM_ID": 2, "HOSPITAL_EXPIRE_FLAG": 0}],
            "PATIENTS": [
                {"SUBJECT_ID": 1, "DOB": "2050-01-01 00:00:00"},
                {"SUBJECT_ID": 2, "DOB": "2101-10-01 00:00:00"},
            ],
            "CHARTEVENTS": vital_rows([1, 2], {211: 80}, times=["2101-10-20 19:30:00"]),
        },
    )


@pytest.mark.parametrize("source", ["mimic3", "eicu", "challenge2012"])
def test_every_source_explains_itself(source: str) -> None:
    shown = CliRunner().invoke(cli.app, ["import", source, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: cdmt import {source}" in shown.output


def test_a_table_is_written_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "stays.parquet"
    raw = small_mimic(tmp_path / "raw")
    assert run(["import", "mimic3", str(raw), "--out", str(out), "--threads", "1"], monkeypatch) == 0
    told = capsys.readouterr()
    assert "1 stays of 25 steps of 60 minutes; 1 (100.0%) ended in death." in told.out
    assert "Left out: 1 younger than 18 years." in told.out
    assert "reading CHARTEVENTS.csv.gz: 0 %" in told.err
    assert len(pd.read_parquet(out)) == 25


def test_options_reach_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = eicu(
        tmp_path / "raw",
        patient=[{"patientunitstayid": 1, "uniquepid": "002-1", "age": "16", "hospitaldischargestatus": "Alive"}],
        vitals=[{"patientunitstayid": 1, "observationoffset": 61, "heartrate": 500}],
    )
    out = tmp_path / "stays.parquet"
    options = ["--step", "60", "--steps", "3", "--min-age", "0", "--no-bounds", "--memory", "256", "--threads", "1"]
    assert run(["import", "eicu", str(raw), "--out", str(out), *options], monkeypatch) == 0
    frame = pd.read_parquet(out)
    assert frame.hour.tolist() == [0, 1, 2]
    assert frame.heart_rate.dropna().tolist() == [500]


@pytest.mark.parametrize("source", ["mimic3", "eicu", "challenge2012"])
def test_what_goes_wrong_is_one_clear_line(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = write(tmp_path / "raw", "other.csv", "A\n").parent
    assert run(["import", source, str(raw), "--out", str(tmp_path / "stays.parquet")], monkeypatch) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_table_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = small_mimic(tmp_path / "raw")
    path = raw / "CHARTEVENTS.csv.gz"
    path.write_bytes(path.read_bytes()[:-6])
    out = tmp_path / "stays.parquet"
    out.write_bytes(b"the old one")
    assert run(["import", "mimic3", str(raw), "--out", str(out)], monkeypatch) == 1
    assert "CHARTEVENTS.csv.gz: the file is truncated or damaged" in capsys.readouterr().err
    assert out.read_bytes() == b"the old one"


def test_the_table_is_parquet_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", "mimic3", str(tmp_path), "--out", "stays.csv"], monkeypatch) == 1
    assert "choose a name that ends in .parquet" in capsys.readouterr().err


def test_a_folder_in_the_table_s_place_is_seen_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stays.parquet").mkdir()
    assert run(["import", "mimic3", str(tmp_path), "--out", str(tmp_path / "stays.parquet")], monkeypatch) == 2
    told = capsys.readouterr().err.replace("│", " ")  # in a box, whose lines break where a path is long
    assert "is a directory" in " ".join(told.split())


def test_without_duckdb_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert run(["import", "eicu", str(tmp_path), "--out", "stays.parquet"], monkeypatch) == 1
    assert "pip install 'cdmt-ehr[sources]'" in capsys.readouterr().err
