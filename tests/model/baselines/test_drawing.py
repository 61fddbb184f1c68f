import numpy as np
import pytest
import torch

from model.baselines.drawing import AfterStep, Labels, decoded, draw_in_chunks
from model.data.codec import Codec
from model.data.stays import Stays
from model.spec.errors import Cancelled, SamplingError


def noise(labels: Labels, generator: torch.Generator, after_step: AfterStep) -> Stays:
    """Stays of one random number each, in four steps."""
    for step in range(4):
        after_step((step + 1) / 4)
    values = torch.randn(len(labels), 1, 1, generator=generator).numpy()
    return Stays(values, np.zeros((len(labels), 1, 0), dtype=np.int64), labels)


def draw(n: int, *, seed: int = 0, told: list[int] | None = None, stop_at: int = 10**9) -> Stays:
    seen = [] if told is None else told
    return draw_in_chunks(
        np.zeros((n, 1), dtype=np.int64),
        noise,
        chunk_size=4,
        seed=seed,
        device=torch.device("cpu"),
        progress=lambda _step, value, _max: seen.append(value),
        cancelled=lambda: len(seen) >= stop_at,
    )


def test_chunks_are_joined_differ_and_depend_on_the_seed() -> None:
    stays = draw(10)
    assert len(np.unique(stays.numerical)) == len(stays) == 10
    np.testing.assert_array_equal(stays.numerical, draw(10).numerical)
    np.testing.assert_array_equal(stays.numerical[:4], draw(4).numerical)
    assert not np.isin(draw(10, seed=1).numerical, stays.numerical).any()


def test_progress_counts_stays() -> None:
    told: list[int] = []
    draw(10, told=told)
    assert told == [1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10]


def test_cancelling_stops_between_two_steps() -> None:
    told: list[int] = []
    with pytest.raises(Cancelled):
        draw(10, told=told, stop_at=6)
    assert len(told) == 6


def test_values_that_are_not_finite_are_an_error(toy_codec: Codec) -> None:
    with pytest.raises(SamplingError, match="not finite"):
        decoded(
            toy_codec,
            torch.full((1, 6, 1), torch.nan),
            torch.zeros(1, 6, 3, dtype=torch.long),
            asked=np.array([[-1]]),
            missing="imputed",
        )


def test_a_label_is_read_out_unless_it_was_asked_for(toy_codec: Codec) -> None:
    codes = torch.zeros(2, 6, 3, dtype=torch.long)
    codes[:, :4, 2] = 1
    stays = decoded(toy_codec, torch.zeros(2, 6, 1), codes, asked=np.array([[-1], [0]]), missing="imputed")
    assert stays.labels.tolist() == [[1], [0]]
