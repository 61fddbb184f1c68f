from pathlib import Path

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import compared
from model.generators import Cdmt
from model.reproduction.source import Source
from model.reproduction.unmasked import Unmasked, with_all_values
from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.report import EvaluationOptions
from tests.model.reproduction.making import CPU

TINY = Cdmt(
    NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
    TrainingConfig(max_steps=5, batch_size=32),
    SamplerConfig(n_steps=2),
)


def test_the_same_stays_once_with_gaps_and_once_without(source: Source, tmp_path: Path) -> None:
    numerical = source.train.numerical.copy()
    numerical[:, np.arange(6) % 3 > 0, 0] = np.nan  # so that even a network that learned little leaves gaps
    sparse = Stays(numerical, source.train.categorical, source.train.labels)
    trained = Unmasked(TINY).train(
        sparse,
        Codec.fit(sparse, source.schema),
        seed=0,
        compute=CPU,
        workdir=tmp_path,
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    labels = np.zeros((50, 1), dtype=np.int64)
    with_gaps, complete = (
        draw(labels, seed=3, progress=lambda *_: None, cancelled=lambda: False)
        for draw in (trained.sample, trained.all_values)
    )
    assert np.isnan(with_gaps.numerical).any()
    assert not np.isnan(complete.numerical).any()
    assert np.array_equal(with_gaps.numerical[with_gaps.observed], complete.numerical[with_gaps.observed])
    assert Unmasked(TINY).training_key == TINY.training_key


def test_values_under_a_missing_mark_count_and_marks_stay(source: Source) -> None:
    stays = source.train
    noisy = np.where(stays.observed, stays.numerical, np.float32(500))
    sides = compared(
        source.codec, stays, source.holdout, stays, reference=None, options=EvaluationOptions(), imputed=None
    )
    changed = with_all_values(sides, Stays(noisy, stays.categorical, stays.labels))
    assert np.array_equal(changed.synthetic_table.categorical, sides.synthetic_table.categorical)
    assert changed.synthetic_table.numerical.max() == pytest.approx(20)  # wild values are cut
    assert not np.allclose(changed.synthetic.acf, sides.synthetic.acf)
    assert np.array_equal(changed.synthetic_view.stays.numerical, stays.numerical, equal_nan=True)
