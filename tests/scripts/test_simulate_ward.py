"""The worked example of docs/clinical-types.md, smaller: what a model makes of the simulated ward."""

import numpy as np
import pytest

from model.compute import Compute
from model.data.arrange import ArrangedTable, arrange
from model.data.codec import Codec
from model.data.frame import to_frame
from model.data.inference import infer_schema
from model.data.stays import Stays
from model.evaluation.lengths import Lengths, length_shares, stay_length
from model.generators import Cdmt
from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig
from scripts.simulate_ward import HOURS, SCHEMA, simulate

pytestmark = pytest.mark.timeout(600)  # the training is a quarter of a minute of one core, where it is free

AGE, SEX, UNIT, VENTILATED = range(4)
WEIGHT, HEART_RATE, LACTATE = range(3)


@pytest.fixture(scope="module")
def ward() -> ArrangedTable:
    return arrange(simulate(1_000, seed=0), SCHEMA)


@pytest.fixture(scope="module")
def drawn(ward: ArrangedTable, tmp_path_factory: pytest.TempPathFactory) -> Stays:
    """As many stays as the ward has, with its labels, from a short training."""
    generator = Cdmt(
        NetworkConfig(hidden_dim=32, n_layers=1, embedding_dim=8),
        TrainingConfig(max_steps=800, batch_size=64, learning_rate=0.006, ema_decay=0.99),
        SamplerConfig(n_steps=15, guidance_scale=1.0),
    )
    codec = Codec.fit(ward.stays, SCHEMA)
    trained = generator.train(
        ward.stays,
        codec,
        seed=0,
        compute=Compute(device="cpu", precision="float32"),
        workdir=tmp_path_factory.mktemp("training"),
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    return trained.sample(ward.stays.labels, seed=1, progress=lambda *_: None, cancelled=lambda: False)


def test_the_ward_is_what_its_schema_says(ward: ArrangedTable) -> None:
    stays, summary = ward.stays, ward.summary
    assert summary.n_rows == stays.n_steps.sum()
    assert summary.n_short_stays == (stays.n_steps < HOURS).sum()
    assert summary.missing_rate["lactate"] == pytest.approx(0.95, abs=0.01)
    assert summary.missing_rate["heart_rate"] == 0
    assert summary.missing_rate["weight"] == pytest.approx(0.1, abs=0.04)
    inferred = infer_schema(simulate(300, seed=0))
    assert [f.name for f in inferred.features if f.static] == ["weight"]  # the other constants become labels


@pytest.mark.slow
def test_static_features_are_constant_in_every_stay_and_as_frequent(ward: ArrangedTable, drawn: Stays) -> None:
    frame = to_frame(drawn, SCHEMA, ward.layout)
    stays = frame.groupby("stay_id")
    for name in ("age_band", "sex", "unit", "weight"):
        assert (stays[name].nunique(dropna=False) == 1).all(), name
    for j in (AGE, SEX, UNIT):
        real, made = (np.bincount(s.categorical[:, 0, j], minlength=4) / len(s) for s in (ward.stays, drawn))
        assert np.abs(real - made).max() < 0.12
    known = ~np.isnan(drawn.numerical[:, 0, WEIGHT])
    assert known.mean() == pytest.approx(0.9, abs=0.09)
    men = drawn.categorical[:, 0, SEX] == 1
    heavier = drawn.numerical[known & men, 0, WEIGHT].mean() - drawn.numerical[known & ~men, 0, WEIGHT].mean()
    assert 5 < heavier < 25  # 14 kg in the ward


@pytest.mark.slow
def test_flag_and_rare_lab_are_as_in_the_ward(ward: ArrangedTable, drawn: Stays) -> None:
    flag = [s.categorical[:, :, VENTILATED][s.inside] for s in (ward.stays, drawn)]
    assert set(np.unique(flag[1])) == {0, 1}
    assert flag[1].mean() == pytest.approx(flag[0].mean(), abs=0.08)
    resumed = (np.diff(drawn.categorical[:, :, VENTILATED], axis=1) == 1).any(axis=1)
    assert resumed.mean() < 0.5  # never in the ward; of hours drawn one by one, in nearly all stays
    assert drawn.observed[:, :, LACTATE][drawn.inside].mean() == pytest.approx(0.05, abs=0.025)
    assert drawn.observed[:, :, HEART_RATE][drawn.inside].mean() > 0.99


@pytest.mark.slow
def test_stays_last_as_long_as_in_the_ward_and_the_dying_less(ward: ArrangedTable, drawn: Stays) -> None:
    real, made = ward.stays, drawn
    assert made.n_steps.mean() == pytest.approx(real.n_steps.mean(), abs=1.0)
    assert stay_length(Lengths(length_shares(made), length_shares(real))) < 0.12
    for died in (0, 1):
        chosen = real.labels[:, 0] == died
        assert made.n_steps[chosen].mean() == pytest.approx(real.n_steps[chosen].mean(), abs=1.5)
    frame = to_frame(made, SCHEMA, ward.layout)
    assert len(frame) == made.n_steps.sum()
    assert (
        frame.groupby("stay_id").hour.agg(["min", "max", "size"])
        == np.stack([np.zeros(len(made)), made.n_steps - 1, made.n_steps], axis=1)
    ).all(axis=None)
