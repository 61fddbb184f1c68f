from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from model.data.layout import TableSummary
from model.data.small_cells import told_counts, told_number, told_rate, told_rows, told_table

Counts = npt.NDArray[np.int64]


def counts(*numbers: int) -> Counts:
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize("n_few", range(1, 11))
def test_of_a_label_the_same_is_told_whatever_the_small_count_is(n_few: int) -> None:
    assert told_counts(counts(98 - n_few, n_few)).tolist() == [93, 5]
    assert told_counts(counts(60, 40 - n_few, n_few)).sum() == 100


@pytest.mark.parametrize("n_few", range(1, 11))
def test_of_two_labels_the_marginals_stay_and_tell_nothing_of_a_rare_combination(n_few: int) -> None:
    """Both labels' rates are as they are; 100 lived and 30 died, of whom 25 and 5 are told as women and men."""
    told = told_table(np.array([[60, 40], [30 - n_few, n_few]], dtype=np.int64))
    possible = [told_table(told.counts + (n - 5) * np.array([[1, -1], [-1, 1]])) for n in range(1, 11)]
    assert all((other.counts == told.counts).all() for other in possible)
    assert told.counts.tolist() == [[60 + 5 - n_few, 40 - 5 + n_few], [25, 5]]
    assert [each.tolist() for each in told.marginals] == [[100, 30], [90 - n_few, 40 + n_few]]


def test_where_nothing_is_small_all_is_told() -> None:
    table = np.array([[60, 40], [0, 11]], dtype=np.int64)
    told = told_table(table)
    assert told.counts.tolist() == table.tolist()
    assert [each.tolist() for each in told.marginals] == [[100, 11], [60, 51]]


def test_what_makes_up_for_a_small_count_stays_large() -> None:
    assert told_counts(counts(12, 3)).tolist() == [12, 5]  # nobody can: 12 - 2 would be small
    assert told_counts(counts(13, 3)).tolist() == [11, 5]
    assert told_counts(counts(3, 4, 0)).tolist() == [5, 5, 0]


def test_many_small_counts_weigh_as_much_as_they_are() -> None:
    table = counts(*([1] * 20), *([3] * 20), 5000)
    told = told_counts(table)
    assert told.tolist() == [2] * 40 + [5000]
    assert told_counts(counts(*([1] * 40), 5000)).tolist() == [2] * 40 + [4960]


def test_of_many_labels_the_sum_is_right_and_no_small_count_is_told() -> None:
    generator = np.random.default_rng(0)
    codes = (generator.random((4000, 8)) < 0.15).astype(np.int64)
    table = np.zeros((2,) * 8, dtype=np.int64)
    np.add.at(table, tuple(codes.T), 1)
    told = told_table(table)
    small = (table > 0) & (table < 11)
    assert told.counts.sum() == 4000
    assert set(told.counts[small].tolist()) == {3, 4}
    assert told.counts[small].sum() == table[small].sum()
    assert (told.counts[table >= 11] >= 11).all()
    for axis, told_of in enumerate(told.marginals):
        exact = np.bincount(codes[:, axis], minlength=2)
        assert told_of == pytest.approx(exact, abs=60)  # 1.5 % of the stays


def test_numbers_and_rates_on_their_own() -> None:
    assert [told_number(n) for n in (0, 1, 10, 11)] == [0, 5, 5, 11]
    assert told_rate(0.5012, n_stays=4000) == 0.5
    assert told_rate(1 / 4000, n_stays=4000) == 0
    assert told_rate(0.5, n_stays=5) in (0, 1)
    assert told_rate(1.0, n_stays=37) == 1


@pytest.mark.parametrize("n_rows", [2300, 2395, 2397, 2400, 2401, 2500])
def test_rows_tell_of_no_few_that_are_missing_or_too_many(n_rows: int) -> None:
    assert told_rows(n_rows, n_stays=100, sequence_length=24) == 2400


def test_rows_are_told_in_steps_of_ten_stays() -> None:
    assert told_rows(1200, n_stays=100, sequence_length=24) == 1200
    assert told_rows(9000, n_stays=100, sequence_length=24) == 9120
    assert told_rows(100, n_stays=100, sequence_length=24) == 100  # one a stay, at the least
    assert told_rows(12, n_stays=2, sequence_length=6) == 12


def summary_of(*, n_short: int, n_cut: int) -> TableSummary:
    return TableSummary(
        n_stays=100,
        n_rows=2397,
        n_short_stays=n_short,
        n_cut_stays=n_cut,
        n_stays_before=3,
        n_rows_before=30,
        n_rows_beyond=2,
        n_rows_merged=0,
        clipped={"heart_rate": 1, "temp": 40},
        missing_rate={"heart_rate": 0.004, "temp": 0.26},
        label_counts={"died": {"0": 97, "1": 3}},
    )


@pytest.mark.parametrize("n_few", range(1, 11))
def test_how_many_stays_are_neither_short_nor_cut_is_not_told_of_a_few(n_few: int) -> None:
    for n_short, n_cut in ((100 - n_few, 0), (0, 100 - n_few), (40, 60 - n_few)):
        told = summary_of(n_short=n_short, n_cut=n_cut).told(sequence_length=24)
        assert told.n_stays - told.n_short_stays - told.n_cut_stays == 5


def test_a_summary_as_it_is_told() -> None:
    told = summary_of(n_short=1, n_cut=50).told(sequence_length=24)
    assert (told.n_stays, told.n_rows, told.n_short_stays, told.n_cut_stays) == (100, 2400, 5, 46)
    assert (told.n_stays_before, told.n_rows_before, told.n_rows_beyond, told.n_rows_merged) == (5, 30, 5, 0)
    assert told.clipped == {"heart_rate": 5, "temp": 40}
    assert told.missing_rate == {"heart_rate": 0.0, "temp": 0.3}
    assert told.label_counts == {"died": {"0": 95, "1": 5}}
