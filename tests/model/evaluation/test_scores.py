from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import Comparison, compared
from model.evaluation.definitions import DEFINITIONS
from model.evaluation.measure import Measure, never, no_progress
from model.evaluation.scores import Found, all_scores
from model.evaluation.space import Figure, Tick
from model.spec.errors import Cancelled
from model.spec.report import EvaluationOptions, MetricName


def sides(
    codec: Codec, train: Stays | None, holdout: Stays | None, synthetic: Stays, *metrics: MetricName
) -> Comparison:
    options = EvaluationOptions(metrics=metrics or None)
    return compared(codec, train, holdout, synthetic, reference=None, options=options, imputed=False)


def scores(one: Comparison, codec: Codec, *others: Measure) -> Found:
    return all_scores(one, codec, others=others, progress=no_progress, cancelled=never)


def test_trts_of_shuffled_labels_is_guessing_and_beside_it_is_what_real_stays_score(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.evaluation.utility.CLASSIFIERS", ("bilstm",))
    synthetic = ward(400, 3)
    labels = np.random.default_rng(0).permutation(synthetic.labels)
    shuffled = Stays(synthetic.numerical, synthetic.categorical, labels)
    found = scores(sides(ward_codec, ward(300, 1), ward(200, 2), shuffled, "trts"), ward_codec)
    trts = next(s for s in found.scores if s.key == "trts[death]")
    trtr = next(s for s in found.scores if s.key == "trtr[death]")
    assert trts.low is not None
    assert trts.high is not None
    assert trts.low < 0.5 < trts.high
    assert trts.verdict == "different"
    assert trts.holdout_value == trtr.value
    assert trtr.value is not None
    assert trtr.value > 0.65
    assert (trtr.verdict, trtr.holdout_value) == (None, None)


@pytest.mark.usefixtures("short_training")
def test_networks_that_learn_from_real_stays_are_trained_once(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    monkeypatch.setattr("model.evaluation.utility.fit", lambda network, inputs, *_, **__: trained.append(len(inputs)))
    found = scores(sides(ward_codec, ward(100, 1), ward(60, 2), ward(70, 3), "tstr", "trts"), ward_codec)
    assert len(found.scores) == 3 * 3 * 2  # figures, kinds of network, labels
    assert len(trained) == 2 * 3 * 2  # on synthetic and on real stays
    assert set(trained) == {70}  # as many stays of either


def test_what_others_measure_is_reported_as_they_say(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    def compute(_: Tick) -> Figure:
        return Figure(0.7, 0.6, 0.8, holdout_value=0.5, threshold=0.55, gate_low=0.57, sample="nine stays")

    one = sides(ward_codec, ward(50, 1), None, ward(50, 3), "dcr_share")
    score = scores(one, ward_codec, Measure("dcr_share", compute, category="1", label="death")).scores[0]
    assert score.key == "dcr_share[death,1]"
    assert (score.holdout_value, score.threshold, score.gate_low, score.sample) == (0.5, 0.55, 0.57, "nine stays")
    assert score.verdict == "different"
    assert score.group == "privacy"


def test_no_figure_is_left_out_in_silence(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = scores(sides(ward_codec, None, None, ward(50, 3)), ward_codec)
    assert [score.name for score in found.scores] == sorted(
        (score.name for score in found.scores), key=list(DEFINITIONS).index
    )
    assert {score.name for score in found.scores} == DEFINITIONS.keys()
    assert all(score.status == "not_available" and score.reason for score in found.scores)


def test_without_stays_put_aside_the_reason_says_so(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    one = sides(ward_codec, ward(50, 1), None, ward(50, 3), "c2st_mlp", "tstr")
    reasons = {score.reason for score in scores(one, ward_codec).scores}
    assert reasons == {"there are no real stays put aside"}


def test_a_cancel_is_obeyed_while_a_network_learns(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    asked = iter([False] * 4 + [True])
    with pytest.raises(Cancelled):
        all_scores(
            sides(ward_codec, ward(50, 1), ward(50, 2), ward(50, 3), "c2st_lstm"),
            ward_codec,
            progress=no_progress,
            cancelled=lambda: next(asked),
        )
    assert next(asked, None) is None
