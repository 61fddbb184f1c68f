import pytest
from pydantic import ValidationError

from model.spec.binning import Binning, duration_seconds
from model.spec.schema import NumericalFeature, Schema


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5min", 300), ("30 min", 1800), ("1h", 3600), ("1.5h", 5400), ("0.25min", 15), ("1d", 86_400)],
)
def test_durations_are_whole_seconds(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds
    assert Binning(step=text).step_seconds == seconds


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("1 hour", "is not a duration such as '90s', '5min', '1h' or '1d'"),
        ("h", "not a duration"),
        ("-1h", "not a duration"),
        ("1e3s", "not a duration"),
        ("\u0661h", "not a duration"),
        ("", "not a duration"),
        ("0.5s", "not a whole number of seconds"),
        ("0h", "longer than nothing"),
        ("367d", "at most 366d"),
        ("1" * 50 + "s", "at most 32 characters"),
    ],
)
def test_what_is_no_step_is_refused(step: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Binning(step=step)


@pytest.mark.parametrize("field", [{"time_unit": "hours"}, {"aggregate": "median"}, {"origin": "0"}, {"unit": "h"}])
def test_unknown_words_are_refused(field: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Binning.model_validate({"step": "1h"} | field)


def test_an_aggregate_needs_a_binning() -> None:
    feature = NumericalFeature(name="urine", aggregate="last")
    with pytest.raises(ValidationError, match="feature 'urine': an aggregate without a binning"):
        Schema(stay_id="stay", time="hour", sequence_length=2, features=(feature,))
    Schema(stay_id="stay", time="hour", sequence_length=2, features=(feature,), binning=Binning(step="1h"))
