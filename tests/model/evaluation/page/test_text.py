import pytest

from model.evaluation.page.text import about, figure, listed, minus, percent, plain, quantity, sentence, short, told
from tests.model.evaluation.page.building import score


@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        (None, "", "\u2013"),
        (0.51234, "dcr_share", "0.512"),
        (0.51234, "marginal_ks", "0.5123"),
        (12.3456, "dtw", "12.346"),
        (0.0000534, "acf_mse", "0.000053"),
        (-0.00001, "augmentation", "0.0000"),
        (-0.0123, "augmentation", "\u22120.0123"),
    ],
)
def test_figures_are_rounded(value: float | None, name: str, words: str) -> None:
    assert figure(value, name) == words


def test_numbers_that_are_not_there_are_dashes() -> None:
    assert percent(None) == quantity(None) == plain(None) == "\u2013"
    assert percent(0.1234) == "12.3%"
    assert quantity(1234.567) == "1235"
    assert minus("-5") == "\u22125"
    assert minus("5e-05") == "5e-05"


def test_what_was_written_down_is_text() -> None:
    assert plain("seed") == "seed"
    assert plain({"b": [1], "a": "\u00e9"}) == '{"a": "\u00e9", "b": [1]}'


def test_names_in_sentences() -> None:
    assert told("sbp") == "sbp"
    assert told("\u05d0") == "\u2068\u05d0\u2069"
    assert short("x" * 128) == "x" * 17 + "\u2026"
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert sentence("it is so") == "It is so."
    assert sentence("Is it?") == "Is it?"
    assert sentence("") == ""


def test_a_score_says_what_it_is_about() -> None:
    assert about(score("dcr_share", 0.5)) == ""
    assert about(score("dcr_share", 0.5, label="death", category="1")) == "death = 1"
    assert about(score("dcr_share", 0.5, feature="sbp")) == "sbp"
    assert about(score("tstr", 0.5, label="death")) == "death"
