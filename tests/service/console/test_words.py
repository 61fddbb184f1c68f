from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from service.console.words import NOTHING, count, duration, main_figures, paragraphs, percent, size, when

N = "\u202f"


def test_figures() -> None:
    assert (count(1234567), count(12), count(None)) == (f"1{N}234{N}567", "12", NOTHING)
    assert (percent(0.3), percent(None)) == (f"30.0{N}%", NOTHING)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, NOTHING),
        (0.25, f"0.2{N}s"),
        (42.4, f"42{N}s"),
        (90, f"2{N}min"),
        (3600, f"1{N}h 0{N}min"),
        (7100, f"1{N}h 58{N}min"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(None, NOTHING), (999, f"999{N}B"), (1700, f"1.7{N}kB"), (2e7, f"20{N}MB"), (5e12, f"5000{N}GB")],
)
def test_sizes(n_bytes: float | None, words: str) -> None:
    assert size(n_bytes) == words


def test_of_programs_that_try_the_same_the_best_is_told() -> None:
    found = main_figures({"c2st_logistic": 0.5, "c2st_mlp": 0.513, "c2st_lstm": 0.542, "tstr": None, "trtr": 0.738})
    assert list(found.values()) == [0.542, 0.738]
    assert [words.split(",")[0] for words in found] == [
        "told from real stays by the best program (.5: not)",
        "the same",
    ]
    assert main_figures({"mmd": 0.02}) == {}


def test_a_notice_is_told_in_paragraphs() -> None:
    notice = "# Attribution\n\nIt has data of **a study**.\n\n- Who, et al.\n- Whom\n"
    assert paragraphs(notice) == ["It has data of a study.", "Who, et al.", "Whom"]


def test_a_moment_is_told_in_utc_and_read_by_the_page() -> None:
    moment = datetime(2026, 1, 5, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert when(moment) == '<time datetime="2026-01-04T23:30:00+00:00">4 Jan 2026, 23:30 UTC</time>'
    assert when(None) == NOTHING
    assert when(datetime(2026, 1, 15, tzinfo=UTC)).startswith('<time datetime="2026-01-15')
