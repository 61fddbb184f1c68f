from model.evaluation.page.lengths import LengthRow, length_panel, length_rows
from model.spec.figures import Conditional, Distribution, FeatureReport


def lasting(median: float) -> Distribution:
    return Distribution(
        n_values=100, shares=(0.4, 0.6), quantiles={"50": median}, missing_rate=0, missing_by_step=(0.0,)
    )


def test_lengths_are_told_of_all_stays_and_of_each_category() -> None:
    one = Conditional(label="died", category="yes", n_synthetic=30, synthetic=lasting(4), distance=0.1)
    length = FeatureReport(
        name="length of stay",
        type="numerical",
        unit="steps",
        edges=(0.5, 6.5, 12.5),
        synthetic=lasting(8),
        training=lasting(9),
        distance=0.02,
        holdout_distance=0.01,
        by_label=(one,),
    )
    assert length_rows(length) == [LengthRow("all", 8, 9, 0.02, 0.01), LengthRow("died yes", 4, None, 0.1, None)]
    panel = length_panel(length)
    assert panel is not None
    assert "length of stay" in panel.svg


def test_where_all_stays_are_of_one_length_there_is_nothing_to_show() -> None:
    assert length_rows(None) == []
    assert length_panel(None) is None
