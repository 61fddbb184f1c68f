"""Planted leaks of many kinds are held, and real stays that nobody learned from pass."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.spec.schema import Schema
from tests.model.evaluation.privacy.conftest import LENGTH, VITALS, draw_stays, gate, joined, moved, noisy
from tests.model.evaluation.privacy.test_copies import spliced

N_LEAKED = 60
Change = Callable[[Stays, Codec], Stays]


def planted(honest: Stays, leaked: Stays, seed: int = 0) -> Stays:
    """The honest stays, the first of them replaced by the leaked ones, in random order."""
    mixed = joined(honest.take(slice(len(leaked), None)), leaked)
    return mixed.take(np.random.default_rng(seed).permutation(len(mixed)))


def padded(stays: Stays, steps: int) -> Stays:
    numerical = np.roll(stays.numerical, steps, axis=1)
    numerical[:, :steps] = np.nan
    return Stays(numerical, stays.categorical, stays.labels)


@pytest.mark.parametrize("seed", range(2))
def test_real_stays_that_nobody_learned_from_pass(seed: int, train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    for n in (200, 1_000):
        verdict, _ = gate(unit_codec, train, holdout, draw_stays(n, 100 + seed), seed=seed)
        assert verdict.status == "passed", verdict.reason


def test_the_holdout_itself_passes_as_a_control(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    verdict, _ = gate(unit_codec, train, holdout, holdout)
    assert verdict.status == "passed"
    assert "control" in verdict.reason


def test_exact_copies_of_training_stays_are_caught_three_times(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    verdict, scores = gate(unit_codec, train, holdout, planted(honest, train.take(slice(N_LEAKED))))
    assert verdict.status == "held"
    failed = {test.name for test in verdict.failed if test.about is None}
    assert failed >= {"exact_copies", "near_copies", "dcr_tail_share", "membership_excess"}
    assert scores["exact_copies"].value == pytest.approx(0.06)
    assert "exact copies of real stays" in verdict.reason


@pytest.mark.parametrize(
    "change",
    [
        lambda stays, codec: noisy(stays, 0.1, codec),
        lambda stays, codec: noisy(stays, 0.3, codec),
        lambda stays, _: moved(stays, 1),
        lambda stays, _: moved(stays, -3),
        lambda stays, _: moved(stays, 6),
        lambda stays, _: padded(stays, 2),
        lambda stays, codec: noisy(moved(stays, 2), 0.2, codec),
    ],
    ids=["noise .1", "noise .3", "roll 1", "roll -3", "roll 6", "pad 2", "roll 2 and noise .2"],
)
def test_changed_copies_are_held(
    change: Change, train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    leaked = change(train.take(slice(N_LEAKED)), unit_codec)
    verdict, _ = gate(unit_codec, train, holdout, planted(honest, leaked))
    assert verdict.status == "held"
    assert "near_copies" in {test.name for test in verdict.failed if test.about is None}


def test_copies_of_one_label_only_are_held_and_named(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    dead = train.take(train.labels[:, 0] == 1).take(slice(20))
    verdict, _ = gate(unit_codec, train, holdout, planted(honest, noisy(dead, 0.1, unit_codec)))
    assert verdict.status == "held"
    assert "stays with death = 1" in {test.about for test in verdict.failed}


@pytest.mark.parametrize("j", range(len(VITALS)))
def test_one_vital_taken_from_training_stays_is_held(
    j: int, train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    numerical = honest.numerical.copy()
    numerical[:N_LEAKED, :, j] = train.numerical[:N_LEAKED, :, j]
    verdict, _ = gate(unit_codec, train, holdout, Stays(numerical, honest.categorical, honest.labels))
    assert verdict.status == "held"
    assert {test.about for test in verdict.failed} == {VITALS[j]}


def test_copies_of_training_and_holdout_stays_alike_are_held(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    leaked = joined(train.take(slice(40)), holdout.take(slice(20)))
    verdict, _ = gate(unit_codec, train, holdout, planted(honest, noisy(leaked, 0.2, unit_codec)))
    assert "near_copies" in {test.name for test in verdict.failed}


def test_filled_copies_in_a_filled_table_are_held_and_filled_honest_stays_pass(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    filled = unit_codec.fill(honest)
    verdict, _ = gate(unit_codec, train, holdout, filled, imputed=True)
    assert verdict.status == "passed", verdict.reason
    leaked = noisy(unit_codec.fill(train.take(slice(N_LEAKED))), 0.1, unit_codec)
    verdict, _ = gate(unit_codec, train, holdout, planted(filled, leaked), imputed=True)
    assert verdict.status == "held"


def test_one_exact_copy_among_a_thousand_is_enough(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    verdict, scores = gate(unit_codec, train, holdout, planted(honest, train.take(slice(1))))
    assert [test.name for test in verdict.failed if test.about is None] == ["exact_copies"]
    assert scores["exact_copies"].value == pytest.approx(0.001)


def test_without_a_holdout_copies_decide(train: Stays, honest: Stays, unit_codec: Codec) -> None:
    for aside in (None, draw_stays(3, 9)):
        assert gate(unit_codec, train, aside, honest)[0].status == "passed"
        assert gate(unit_codec, train, aside, planted(honest, train.take(slice(30))))[0].status == "held"


def test_the_order_of_the_stays_changes_no_figure(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    mixed = planted(honest, train.take(slice(30)))
    before = gate(unit_codec, train, holdout, mixed)[1]
    after = gate(unit_codec, train, holdout, mixed.take(np.random.default_rng(5).permutation(len(mixed))))[1]
    for name in ("exact_copies", "near_copies", "dcr_share", "dcr_tail_share", "membership_auc", "membership_excess"):
        assert after[name].value == pytest.approx(before[name].value, abs=1e-6), name


@pytest.mark.parametrize("overlap", ["doubled stays", "holdout with the training stays"])
def test_doubles_among_the_real_stays_hide_no_copies(
    overlap: str, train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    known, aside = joined(train, train.take(slice(90))), joined(holdout, train.take(slice(90, 180)))
    if overlap != "doubled stays":
        known, aside = train, joined(train, holdout)
    assert gate(unit_codec, known, aside, honest)[0].status == "passed"
    few = train.take(slice(40, 90))
    for leaked in (few, noisy(few, 0.1, unit_codec)):
        verdict, _ = gate(unit_codec, known, aside, planted(honest, leaked))
        assert "near_copies" in {test.name for test in verdict.failed if test.about is None}


@pytest.mark.parametrize("steps", [slice(0, 12), slice(12, 24)], ids=["first half", "second half"])
def test_half_a_stay_in_one_piece_is_held(
    steps: slice, train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    leaked = spliced(train.take(slice(N_LEAKED)), honest.take(slice(N_LEAKED)), steps)
    verdict, _ = gate(unit_codec, train, holdout, planted(honest, leaked))
    assert "near_copies" in {test.name for test in verdict.failed if test.about is None}


def test_a_part_of_the_holdout_or_one_with_others_is_no_control(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    for table in (holdout.take(slice(250)), joined(holdout, honest.take(slice(20)))):
        verdict, _ = gate(unit_codec, train, holdout, table)
        assert "exact_copies" in {test.name for test in verdict.failed if test.about is None}


def test_copies_of_short_stays_are_found(train: Stays, holdout: Stays, honest: Stays, unit_schema: Schema) -> None:
    """Sixty stays of 8 to 12 of 24 hours are patients'; other stays end as early, and pass."""
    schema, index = unit_schema.model_copy(update={"variable_length": True}), np.arange(N_LEAKED)

    def ending(stays: Stays, seed: int) -> Stays:
        lengths = np.random.default_rng(seed).integers(8, LENGTH + 1, len(stays))
        return dataclasses.replace(stays, lengths=lengths).ended()

    seen, aside, drawn = ending(train, 1), ending(holdout, 2), ending(honest, 3)
    codec = Codec.fit(seen, schema)
    verdict, _ = gate(codec, seen, aside, drawn)
    assert verdict.status == "passed"
    short = seen.take(np.flatnonzero(seen.n_steps <= 12)[:N_LEAKED])
    verdict, scores = gate(codec, seen, aside, drawn.replace(index, short))
    assert "exact_copies" in {test.name for test in verdict.failed}
    assert scores["exact_copies"].value == pytest.approx(N_LEAKED / len(drawn), abs=0.002)
    verdict, _ = gate(codec, seen, aside, drawn.replace(index, noisy(short, 0.05, codec)))
    assert "near_copies" in {test.name for test in verdict.failed}
