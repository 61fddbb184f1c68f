from collections.abc import Callable

import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.features import real_features
from model.evaluation.floors import FloorTask, floor_tasks, floors
from model.evaluation.measure import Run, never, no_progress
from model.evaluation.portrait import portrait
from model.evaluation.space import Figure, NotAvailable, Tick
from model.evaluation.view import view
from model.spec.report import EvaluationOptions, MetricName


def planned(
    codec: Codec, train: Stays, holdout: Stays, *metrics: MetricName, sizes: tuple[int, ...] = ()
) -> list[FloorTask]:
    real, aside = view(train, codec), view(holdout, codec)
    return floor_tasks(
        codec,
        real,
        aside,
        features=real_features(train, holdout, codec, acf={}),
        portrait=portrait(real, aside, codec),
        options=EvaluationOptions(metrics=metrics),
        sizes=sizes,
    )


def test_what_is_not_asked_for_is_not_measured(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    tasks = planned(ward_codec, ward(60, 1), ward(40, 2), "acf_mse", "trts", sizes=(50,))
    assert [(task.name, task.label, task.classifier, task.n_stays) for task in tasks] == [
        ("acf_mse", None, None, None),
        *(("trtr", label, kind, 50) for label in ("death", "sex") for kind in ("bilstm", "transformer", "cnn_lstm")),
    ]


def test_the_training_stays_put_aside_again_have_no_distance(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    tasks = planned(ward_codec, ward(200, 1), ward(200, 1), "acf_mse", "total_variation", "marginal_ks")
    run = Run("testing", [task.name for task in tasks], progress=no_progress, cancelled=never)
    found = {floor.name: floor.value for floor in floors(run, tasks)}
    assert found == {name: pytest.approx(0) for name in ("acf_mse", "total_variation", "marginal_ks")}


def test_a_floor_that_does_not_exist_says_why() -> None:
    def absent(_: Tick) -> Figure:
        raise NotAvailable("there is none")

    tasks = [FloorTask("mmd", absent), FloorTask("trtr", lambda _: Figure(0.7, 0.6, 0.8), "death", "bilstm", 90)]
    found = floors(Run("testing", ["mmd", "trtr"], progress=no_progress, cancelled=never), tasks)
    assert (found[0].value, found[0].reason) == (None, "there is none")
    assert (found[1].value, found[1].low, found[1].high, found[1].n_stays) == (0.7, 0.6, 0.8, 90)
    assert (found[1].label, found[1].classifier) == ("death", "bilstm")
