from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from service.cli.app import main
from tests.model.export.made_up import SCHEMA, write


def cdmt(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of `cdmt export`."""
    monkeypatch.setattr(sys, "argv", ["cdmt", "export", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_cohort_becomes_a_wide_table_or_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort, wide, omop = (str(tmp_path / name) for name in ("cohort.parquet", "wide.csv", "omop.zip"))
    write(Path(cohort))
    assert cdmt(monkeypatch, cohort, "--to", "wide-csv", "--out", wide) == 0
    assert pd.read_csv(wide)["heart_rate_00"].tolist() == [80, 120, 66]
    assert "wide.csv" in capsys.readouterr().out.replace("\n", "")
    assert cdmt(monkeypatch, cohort, "--to", "omop", "--out", omop) == 0
    with zipfile.ZipFile(omop) as archive:
        assert "person.csv" in archive.namelist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort.parquet", "omop.zip", "wide.csv"]


def test_a_cohort_without_a_schema_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort, schema, out = tmp_path / "cohort.parquet", tmp_path / "schema.json", tmp_path / "fhir.zip"
    write(cohort, schema=None)
    schema.write_text("{}")
    arguments = (str(cohort), "--to", "fhir", "--out", str(out))
    assert cdmt(monkeypatch, *arguments) == 1
    assert "without its schema" in capsys.readouterr().err
    assert cdmt(monkeypatch, *arguments, "--schema", str(schema)) == 1
    assert "is no schema" in capsys.readouterr().err.replace("\n", " ")
    schema.write_text(SCHEMA.model_dump_json())
    assert cdmt(monkeypatch, *arguments, "--schema", str(schema)) == 0
    assert zipfile.is_zipfile(out)


def test_what_is_no_cohort_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "cohort.parquet"
    text.write_text("hello")
    assert cdmt(monkeypatch, str(text), "--to", "fhir", "--out", str(tmp_path / "x.zip")) == 1
    assert "no Parquet file" in capsys.readouterr().err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.parquet"]
