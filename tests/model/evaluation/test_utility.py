from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.definitions import CLASSIFIERS
from model.evaluation.space import NotAvailable, Table, to_table
from model.evaluation.utility import (
    QUICK_STAYS,
    Task,
    auc_figure,
    auc_on,
    aucs_on,
    macro_auc,
    train,
    training_stays,
    utility_tasks,
)
from model.spec.report import Classifier, EvaluationOptions

DEATH = Task(label=0, n_classes=2, kind="bilstm", n_stays=10_000, seed=0)


def table(stays: Stays, codec: Codec) -> Table:
    return to_table(stays, codec)


def with_labels(stays: Stays, labels: np.ndarray) -> Stays:
    return Stays(stays.numerical, stays.categorical, labels)


def obvious(stays: Stays) -> Stays:
    """The label is in the values: who dies has a heart rate above 200 throughout."""
    numerical = stays.numerical.copy()
    numerical[:, :, 1] = np.where(stays.labels[:, 0, None] == 1, 220.0, 60.0)
    return Stays(numerical, stays.categorical, stays.labels)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_label_that_is_plain_to_see_has_an_auc_of_1(
    kind: Classifier, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    trained = train(table(obvious(ward(200, 1)), ward_codec), DEATH._replace(kind=kind))
    figure = auc_on(trained, table(obvious(ward(100, 2)), ward_codec))
    assert figure.value == 1
    assert (figure.low, figure.high) == (1, 1)


def test_a_label_that_shows_in_the_values_is_learned_and_one_that_does_not_is_not(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    real, holdout = table(ward(200, 1), ward_codec), table(ward(300, 2), ward_codec)
    death = auc_on(train(real, DEATH), holdout)
    sex = auc_on(train(real, DEATH._replace(label=1, n_stays=80)), holdout)
    assert 0.65 < death.value < 0.9
    assert death.low is not None
    assert death.low > 0.6
    assert sex.low is not None
    assert sex.high is not None
    assert sex.low - 0.05 < 0.5 < sex.high + 0.05
    assert death.sample == "learned from 200 stays, asked about 300"
    assert sex.sample == "learned from 80 stays, asked about 300"


def test_stays_with_turned_labels_teach_the_opposite(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(120, 1)
    turned = table(with_labels(stays, 1 - stays.labels), ward_codec)
    assert auc_on(train(turned, DEATH), table(ward(200, 2), ward_codec)).value < 0.35


def test_trained_on_real_and_asked_about_a_table_with_shuffled_labels_is_guessing(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    trained = train(table(ward(200, 1), ward_codec), DEATH)
    stays = ward(600, 3)
    shuffled = with_labels(stays, np.random.default_rng(0).permutation(stays.labels))
    assert auc_on(trained, table(stays, ward_codec)).value > 0.65
    figure = auc_on(trained, table(shuffled, ward_codec))
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 0.5 < figure.high


@pytest.mark.usefixtures("short_training")
def test_the_same_seed_gives_the_same_figure_and_several_seeds_a_spread(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    real, holdout = table(ward(80, 1), ward_codec), table(ward(80, 2), ward_codec)
    task = DEATH._replace(n_stays=60, seed=3, n_seeds=3)
    first, again = (auc_on(train(real, task), holdout) for _ in range(2))
    assert first == again
    alone = [auc_on(train(real, task._replace(seed=3 + k, n_seeds=1)), holdout) for k in range(3)]
    values = [figure.value for figure in alone]
    assert first.value == pytest.approx(np.mean(values))
    assert first.spread == pytest.approx(np.std(values, ddof=1))
    assert [figure.spread for figure in alone] == [None, None, None]
    assert len(set(values)) > 1


def test_the_interval_covers_the_test_set_and_the_seeds() -> None:
    truth = np.repeat([0, 1], [58, 51])
    one, five = auc_figure(np.array([0.893]), truth), auc_figure(np.full(5, 0.893), truth)
    assert one[:3] == pytest.approx(five[:3])
    assert one.high is not None
    assert (one.high - one.value) / 1.96 == pytest.approx(0.032, abs=0.001)  # Hanley & McNeil 1982, table II
    spread = auc_figure(np.array([0.793, 0.893, 0.993]), truth)
    assert spread.spread == pytest.approx(0.1)
    assert spread.low is not None
    assert (spread.value - spread.low) / 1.96 == pytest.approx((0.032**2 + 0.1**2 / 3) ** 0.5, abs=0.001)


def test_one_class_or_too_few_stays(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(60, 1)
    alive = table(with_labels(stays, np.zeros_like(stays.labels)), ward_codec)
    with pytest.raises(NotAvailable, match="table to train on has fewer than two categories"):
        train(alive, DEATH)
    with pytest.raises(NotAvailable, match="table to train on has 9 stays"):
        train(table(ward(9, 1), ward_codec), DEATH)


@pytest.mark.usefixtures("short_training")
def test_too_few_stays_to_ask_about(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(60, 1)
    trained = train(table(stays, ward_codec), DEATH)
    for n_dead in (0, 10):  # of 10, the figure or its interval would say that they are 10
        few = with_labels(stays, (np.arange(60) < n_dead).astype(np.int64)[:, None] * np.ones_like(stays.labels))
        with pytest.raises(NotAvailable, match="the holdout has no category of the label with 11 stays or more"):
            auc_on(trained, table(few, ward_codec))
    with pytest.raises(NotAvailable, match="the table has 0 stays"):
        aucs_on(trained, table(ward(0, 1), ward_codec), what="the table")


def test_macro_auc_of_perfect_opposite_and_absent_categories() -> None:
    truth = np.repeat([0, 1, 3], 11)
    right = np.eye(4)[truth]
    assert macro_auc(truth, right) == 1
    assert macro_auc(truth, -right) == 0
    assert macro_auc(truth, np.full((33, 4), 0.25)) == 0.5
    assert macro_auc(np.repeat([0, 1], 11), np.repeat([[0.9, 0.1], [0.2, 0.8]], 11, axis=0)) == 1


def test_of_a_category_of_few_stays_neither_figure_nor_interval_tells() -> None:
    truth, right = np.repeat([0, 1, 2], [40, 50, 10]), np.eye(3)
    assert macro_auc(truth, right[truth] * [1, 1, -1]) == 1
    few, fewer = (auc_figure(np.array([0.7]), np.repeat([0, 1, 2], [40, 60 - n, n])) for n in (10, 1))
    assert few == fewer


def test_all_networks_learn_from_equally_many_stays_a_quick_report_from_fewer() -> None:
    quick, full = EvaluationOptions(), EvaluationOptions(detail="full")
    assert training_stays(quick, 10_000, 9_600) == QUICK_STAYS
    assert training_stays(full, 10_000, 9_600) == 9_600
    assert training_stays(full, 100_000, 90_000) == full.max_stays
    assert training_stays(quick, 12, 9_600) == 12


def test_every_label_has_every_kind_of_network(ward_codec: Codec) -> None:
    tasks = utility_tasks(ward_codec, EvaluationOptions(seed=7, detail="full"), sizes=(100,))
    assert [(label, task.kind) for task, label in tasks] == [
        (label, kind) for label in ("death", "sex") for kind in CLASSIFIERS
    ]
    assert {(task.seed, task.n_seeds, task.n_stays) for task, _ in tasks} == {(7, 5, 100)}


@pytest.mark.usefixtures("short_training")
def test_what_is_drawn_to_learn_from_is_enough(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(400, 1)
    assert train(table(stays, ward_codec), DEATH._replace(n_stays=2)).n_stays == 30
    rare = with_labels(stays, np.repeat([[1], [0]], [6, 394], axis=0))
    with pytest.raises(NotAvailable, match="the sample of 40 stays to train on has fewer than two"):
        train(table(rare, ward_codec), DEATH._replace(n_stays=40))
