import re
from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.aggregates import aggregate
from model.evaluation.definitions import CLASSIFIERS, DEFINITIONS
from model.evaluation.floors import Floor
from model.evaluation.reference import (
    ReferenceStatistics,
    label_shares,
    reference_statistics,
)
from model.evaluation.space import to_table
from model.spec.errors import Cancelled
from model.spec.report import EvaluationOptions

pytestmark = pytest.mark.usefixtures("short_training_in_module")


@pytest.fixture(scope="module")
def reference(ward: Callable[..., Stays], ward_codec: Codec, short_training_in_module: None) -> ReferenceStatistics:
    return reference_statistics(ward_codec, ward(400, 1), ward(120, 2), utility_sizes=(100,))


def test_real_stays_are_close_to_real_stays(reference: ReferenceStatistics) -> None:
    floors = {floor.name: floor.value for floor in reference.floors if floor.label is None}
    # the ward's schema has no rules and no early ends, and of 120 stays no tail can be told
    assert [name for name, value in floors.items() if value is None] == ["tails", "rules"]
    privacy = {name for name, definition in DEFINITIONS.items() if definition.group == "privacy"}
    assert floors.keys() == DEFINITIONS.keys() - privacy - {"tstr", "trtr", "trts", "augmentation", "stay_length"}
    assert floors["total_variation"] is not None
    assert floors["total_variation"] < 0.05
    assert floors["c2st_lstm"] == pytest.approx(0.5, abs=0.2)


def test_trtr_is_kept_for_each_label_and_number_of_stays(reference: ReferenceStatistics) -> None:
    kept = [(floor.label, floor.n_stays) for floor in reference.floors if floor.name == "trtr"]
    assert kept == [(label, n) for label in ("death", "sex") for _ in CLASSIFIERS for n in (100, 400)]
    near = reference.floor("trtr", label="death", n_stays=120)
    far = reference.floor("trtr", label="death", n_stays=10_000)
    assert near is not None
    assert far is not None
    assert (near.n_stays, far.n_stays) == (100, 400)
    assert near.classifier == "bilstm"
    other = reference.floor("trtr", label="death", classifier="cnn_lstm", n_stays=120)
    assert other is not None
    assert (other.classifier, other.n_stays) == ("cnn_lstm", 100)
    assert reference.floor("trtr", label="unheard of", n_stays=5) is None


def test_it_survives_json_and_gives_the_aggregates_back(
    reference: ReferenceStatistics, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    again = ReferenceStatistics.model_validate_json(reference.model_dump_json())
    assert again == reference
    exact, kept = aggregate(to_table(ward(400, 1), ward_codec)), again.aggregates()
    np.testing.assert_allclose(kept.correlation, exact.correlation)
    np.testing.assert_allclose(kept.acf, exact.acf)
    for name in exact.frequencies:
        np.testing.assert_allclose(kept.frequencies[name], exact.frequencies[name], atol=0.03)
        np.testing.assert_allclose(kept.transitions[name], exact.transitions[name], atol=0.03)


def test_it_holds_no_value_of_a_rare_stay(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train = ward(400, 1)
    train.numerical[7, :, 1] = 777.0
    train.labels[:, 0] = 0
    train.labels[:10, 0] = 1
    options = EvaluationOptions(metrics=("total_variation",))
    reference = reference_statistics(ward_codec, train, ward(120, 2), options=options)
    assert not re.search(r"(?<![\d.])777", reference.model_dump_json())
    assert reference.label_shares["death"] == {"0": 1.0, "1": 0.0}


def test_only_the_figures_asked_for_are_measured(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    options = EvaluationOptions(metrics=("acf_mse", "mmd"))
    reference = reference_statistics(ward_codec, ward(50, 1), ward(50, 2), options=options)
    assert [floor.name for floor in reference.floors] == ["acf_mse", "mmd"]
    without = reference_statistics(ward_codec, ward(50, 1), None, options=options)
    assert without.floors == ()
    assert without.features[0].holdout is None


def test_floors_that_do_not_exist_say_why(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    options = EvaluationOptions(metrics=("c2st_logistic", "tstr"))
    reference = reference_statistics(ward_codec, ward(60, 1), ward(3, 2), options=options)
    assert {floor.name for floor in reference.floors} == {"c2st_logistic", "trtr"}
    assert {floor.value for floor in reference.floors} == {None}
    assert all(floor.reason for floor in reference.floors)
    assert reference.floor("c2st_logistic") is None


def test_it_can_be_cancelled(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    with pytest.raises(Cancelled):
        reference_statistics(ward_codec, ward(50, 1), ward(50, 2), cancelled=lambda: True)


def test_shares_of_labels(ward_codec: Codec) -> None:
    labels = np.array([[0, 1]] * 60 + [[1, 1]] * 20)
    shares = label_shares(ward_codec, labels)
    assert shares == {"death": {"0": 0.75, "1": 0.25}, "sex": {"F": 0.0, "M": 1.0}}


def test_a_floor_is_plain_json() -> None:
    assert Floor.model_validate_json(Floor(name="mmd", value=0.02).model_dump_json()).value == 0.02
