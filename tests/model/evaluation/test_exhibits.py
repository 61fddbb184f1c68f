from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import Comparison, compared
from model.evaluation.exhibits import co_missingness, projection, rule_reports, transitions
from model.evaluation.matrices import from_matrix
from model.evaluation.reference import ReferenceStatistics, reference_statistics
from model.spec.report import EvaluationOptions

OPTIONS = EvaluationOptions(metrics=("acf_mse",))
RULE = "temperature <= heart_rate"


@pytest.fixture(scope="module")
def codec(ward_codec: Codec) -> Codec:
    schema = ward_codec.schema.model_copy(update={"rules": (RULE,)})
    return Codec(ward_codec.state.model_copy(update={"data_schema": schema}))


def sides(codec: Codec, ward: Callable[..., Stays], where: str, *, imputed: bool = False) -> Comparison:
    options = EvaluationOptions(metrics=("acf_mse",))
    train, holdout, synthetic, reference = ward(500, 1), ward(200, 2), ward(300, 3), None
    if where == "kept":
        kept = reference_statistics(codec, train, holdout, options=options)
        reference = ReferenceStatistics.model_validate_json(kept.model_dump_json())
    synthetic = codec.fill(synthetic) if imputed else synthetic
    if where == "at hand":
        return compared(codec, train, holdout, synthetic, reference=None, options=options, imputed=imputed)
    return compared(codec, None, None, synthetic, reference=reference, options=options, imputed=imputed)


@pytest.mark.parametrize("where", ["at hand", "kept"])
def test_both_sides_are_shown_whether_the_dataset_is_here_or_not(
    where: str, codec: Codec, ward: Callable[..., Stays]
) -> None:
    found = sides(codec, ward, where)
    gaps = co_missingness(found)
    assert gaps is not None
    assert gaps.names == ("temperature", "heart_rate")
    assert gaps.training is not None
    changes = {one.name: one for one in transitions(found)}
    assert changes.keys() == {"rhythm", "temperature measured", "heart_rate measured"}
    assert changes["rhythm"].training is not None
    np.testing.assert_allclose(
        from_matrix(changes["rhythm"].synthetic), from_matrix(changes["rhythm"].training), atol=0.05
    )
    (rule,) = rule_reports(found)
    assert (rule.rule, rule.rows) == (RULE, {"synthetic": 1, "training": 1, "holdout": 1})
    shown = projection(found)
    assert shown is not None
    assert from_matrix(shown.training).sum() > 0.2
    assert {side for feature in found.features for side in feature.acf} == {"synthetic", "training", "holdout"}
    assert {one.side for feature in found.features for one in feature.trajectories} == {"synthetic", "training"}


def test_a_change_that_few_real_stays_make_is_not_shown(codec: Codec, ward: Callable[..., Stays]) -> None:
    train = ward(500, 1)
    train.categorical[:] = 0
    train.categorical[:5, 3:] = 2
    options = EvaluationOptions()
    found = compared(codec, train, None, ward(300, 3), reference=None, options=options, imputed=False)
    rhythm = transitions(found)[0]
    assert rhythm.training is not None
    assert list(rhythm.training[0]) == [1, 0, 0]
    assert list(rhythm.training[2]) == [None, None, None]


def test_where_values_were_filled_there_are_no_gaps_to_show(codec: Codec, ward: Callable[..., Stays]) -> None:
    found = sides(codec, ward, "at hand", imputed=True)
    assert co_missingness(found) is None
    assert [one.name for one in transitions(found)] == ["rhythm"]
    assert projection(found) is not None
    assert projection(sides(codec, ward, "kept", imputed=True)) is None


def test_without_real_stays_one_side_is_shown(codec: Codec, ward: Callable[..., Stays]) -> None:
    found = sides(codec, ward, "nowhere")
    gaps = co_missingness(found)
    assert gaps is not None
    assert gaps.training is None
    assert all(one.training is None for one in transitions(found))
    assert rule_reports(found)[0].rows == {"synthetic": 1}
    assert projection(found) is None


@pytest.mark.parametrize(("n", "is_told"), [(1, False), (10, False), (11, True)])
def test_few_synthetic_stays_are_not_shown(n: int, is_told: bool, codec: Codec, ward: Callable[..., Stays]) -> None:
    train = ward(500, 1)
    found = compared(codec, train, None, train.take(slice(n)), reference=None, options=OPTIONS, imputed=False)
    assert (co_missingness(found) is not None) == is_told
    assert (len(transitions(found)) > 0) == is_told
    assert (projection(found) is not None) == is_told
    (rule,) = rule_reports(found)
    assert (rule.rows["synthetic"] is not None) == (rule.stays["synthetic"] is not None) == is_told
    assert rule.rows["training"] == 1
    assert np.isnan(found.synthetic.correlation).all() == (not is_told)
