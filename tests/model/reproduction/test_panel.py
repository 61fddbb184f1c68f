import numpy as np
import pytest

from model.data.stays import Stays
from model.evaluation.measure import never, no_progress
from model.reproduction.panel import Panel, label_rate, measure, reference, rules_rate, tail_error
from model.reproduction.source import Source
from model.spec.errors import Cancelled

PLAIN = Panel(seed=0, privacy=False, augmentation=False)


def test_the_training_stays_are_as_good_as_real_and_are_found_out_as_copies(source: Source) -> None:
    real = reference(source, equal_labels=False, seed=0)
    panel = Panel(seed=0, privacy=True, augmentation=True)
    figures = measure(source.train, real, panel=panel, progress=no_progress, cancelled=never)
    assert figures["total_variation"].value == 0
    assert figures["correlation_mae"].value == pytest.approx(0, abs=1e-9)
    assert (figures["total_variation"].real or 0) > 0
    assert figures["tstr"].value == figures["tstr"].real  # the very same stays to learn from
    assert figures["tstr_share"].value == 1
    assert figures["tail_error"].value == 0
    assert (figures["near_copies"].value or 0) > 0.5
    assert {"mix_10_90", "mix_50_50", "mix_100_100", "augmentation"} <= set(figures)
    assert (figures["mix_50_50"].value or 0) > 0.9  # the heart rate tells it


def test_a_balanced_cohort_is_compared_with_balanced_real_stays(source: Source) -> None:
    real = reference(source, equal_labels=True, seed=0)
    assert label_rate(real.train) == label_rate(real.holdout) == 0.5
    figures = measure(real.train, real, panel=PLAIN, progress=no_progress, cancelled=never)
    assert figures["total_variation"].value == 0
    assert figures["label_rate"].value == 0.5
    assert not {"augmentation", "near_copies"} & set(figures)
    assert figures["label_rate"].real == pytest.approx(float(source.train.labels.mean()))


def test_a_cancel_is_heard(source: Source) -> None:
    real = reference(source, equal_labels=False, seed=0)
    with pytest.raises(Cancelled):
        measure(source.train, real, panel=PLAIN, progress=no_progress, cancelled=lambda: True)


def test_the_rules_rate_counts_rows_in_which_every_rule_holds(source: Source) -> None:
    dbp, mean = (source.train.numerical[:, :, j] for j in (1, 2))
    assert rules_rate(source.train, source.codec) == pytest.approx(float((dbp <= mean).mean()))
    nothing = np.full_like(source.train.numerical, np.nan)
    assert rules_rate(Stays(nothing, source.train.categorical, source.train.labels), source.codec) is None


def test_the_tail_error_is_that_of_the_worst_feature(source: Source) -> None:
    values = source.train.numerical * np.array([1.0, 1.25, 1.0], dtype=np.float32)
    stretched = Stays(values, source.train.categorical, source.train.labels)
    assert tail_error(stretched, source.train, aside=source.train).value == pytest.approx(0.25, abs=1e-5)
    assert tail_error(stretched, source.train, aside=source.train).real == 0
