from __future__ import annotations

from pathlib import Path

import pytest

from model.data.sources.raw_files import find_file, open_raw
from model.spec.errors import DataError
from tests.model.data.sources.raw import write


@pytest.mark.parametrize("name", ["PATIENTS.csv", "patients.csv.gz", "Patients.CSV.GZ"])
def test_a_file_is_found_whatever_its_case_and_packing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_file(tmp_path, "PATIENTS.csv", hint={}) == tmp_path / name


def test_the_packed_file_goes_before_one_that_may_have_been_unpacked_in_part(tmp_path: Path) -> None:
    for name in ("PATIENTS.csv", "PATIENTS.csv.gz"):
        (tmp_path / name).touch()
    assert find_file(tmp_path, "PATIENTS.csv", hint={}).name == "PATIENTS.csv.gz"


def test_a_folder_of_the_file_s_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "PATIENTS.csv").mkdir()
    with pytest.raises(DataError, match=r"neither PATIENTS\.csv\.gz nor PATIENTS\.csv"):
        find_file(tmp_path, "PATIENTS.csv", hint={})


@pytest.mark.parametrize("packed", [True, False])
def test_the_header_is_compared_in_lower_case_without_blanks_quotes_or_byte_order_mark(
    tmp_path: Path, packed: bool
) -> None:
    path = write(tmp_path, "a.csv", '\ufeff"SUBJECT_ID", Dob,EXTRA\r\n1,2,3\r\n', packed=packed)
    assert open_raw(path, {"dob": "DATE"}, hint={}).header == ("subject_id", "dob", "extra")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "a.csv: the file is empty"),
        ("\n", "a.csv: the file is empty"),
        ("A,a\n", "a.csv: column 'a' is there more than once"),
        ("B\n", "a.csv: it has no column 'a'; b is of another release"),
    ],
)
def test_a_wrong_header_is_said(tmp_path: Path, content: str, complaint: str) -> None:
    path = write(tmp_path, "a.csv", content, packed=False)
    with pytest.raises(DataError) as told:
        open_raw(path, {"a": "INTEGER"}, hint={"b": "b is of another release"})
    assert str(told.value) == complaint


def test_a_binary_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="its first line is no header of a CSV file"):
        open_raw(path, {"a": "INTEGER"}, hint={})
