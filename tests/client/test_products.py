from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cdmt_client.products import PARAMETERS, Format, cohort_file
from cdmt_client.retrying import DEFAULT
from tests.client.playing import answer, play, requests

CONTENT = b"a cohort"


@pytest.mark.parametrize(
    ("name", "form", "asked_for"),
    [
        ("cohort.parquet", None, {"format": "parquet"}),
        ("cohort.CSV", None, {"format": "csv"}),
        ("cohort.zip", "fhir", {"format": "fhir"}),
        ("cohort.zip", "omop-parquet", {"format": "omop", "tables": "parquet"}),
        ("cohort.csv", "wide-csv", {"format": "csv", "layout": "wide"}),
    ],
)
def test_a_cohort_comes_in_the_wanted_form(tmp_path: Path, name: str, form: Format | None, asked_for: object) -> None:
    head = answer(etag=f'"{hashlib.sha256(CONTENT).hexdigest()}-form"', content_length=str(len(CONTENT)))
    flow = cohort_file("abc", tmp_path / name, form=form, reason=None, told=lambda *_: None, retries=DEFAULT)
    path, asked = play(flow, [head, CONTENT, b""])
    assert path.read_bytes() == CONTENT
    assert [request.params for request in requests(asked)] == [asked_for]


def test_every_form_of_the_command_line_is_known() -> None:
    from service.cli.remote import FORMS

    assert set(FORMS) == set(PARAMETERS)
