from __future__ import annotations

import pytest

from model.spec.errors import RatioError
from model.spec.ratios import LabelRatios
from service.cli.ratios import parse_ratios


@pytest.mark.parametrize(
    ("texts", "ratios"),
    [
        ([], None),
        (["balanced"], "balanced"),
        (["death=1:0.3,0:0.7"], {"death": {"1": 0.3, "0": 0.7}}),
        (["death=balanced", "sex=F:.25,M:.75"], {"death": "balanced", "sex": {"F": 0.25, "M": 0.75}}),
        (["age=>=65:1"], {"age": {">=65": 1.0}}),
    ],
)
def test_ratios_as_they_are_written(texts: list[str], ratios: LabelRatios | None) -> None:
    assert parse_ratios(texts) == ratios


@pytest.mark.parametrize(
    ("texts", "culprit"),
    [
        (["death"], "'death'"),
        (["death="], "'death='"),
        (["death=1"], "'1'"),
        (["death=1:0.5,1:0.5"], "'1:0.5'"),
        (["death=1:half"], "'half'"),
        (["death=1:1", "death=0:1"], "'death' is given twice"),
        (["balanced", "death=1:1"], "'balanced'"),
    ],
)
def test_what_cannot_be_read_is_quoted(texts: list[str], culprit: str) -> None:
    with pytest.raises(RatioError, match=culprit):
        parse_ratios(texts)
