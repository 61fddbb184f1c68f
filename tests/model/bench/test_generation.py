from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.bench import generation
from model.bench.generation import EULER_50, OURS_2M_20, generation_contestants
from model.bench.plan import Plan
from model.bench.subjects import Subject, stretched, untrained
from model.data.codec import Codec
from model.data.stays import Stays
from model.diffusion.denoiser import DenoiserNetwork
from model.inference.reference import Reference
from model.spec.config import SamplerConfig
from model.synthesis import UNCONDITIONED, Source
from tests.model.conftest import CPU, TINY

REFERENCE = CPU.model_copy(update={"engine": "reference"})


@pytest.fixture
def subject(toy_codec: Codec) -> Subject:
    """A tiny denoiser, evaluated by the reference under another name."""
    made = untrained(toy_codec, TINY, chunk_size=4, compute=REFERENCE)
    return replace(made, engine=Reference(made.denoiser.network, name="planted"))


def test_each_way_to_draw_asks_for_what_its_name_says(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Source, np.ndarray, SamplerConfig, int]] = []

    def noted(source: Source, labels: np.ndarray, *, sampler: SamplerConfig, chunk_size: int) -> Iterator[Stays]:
        asked.append((source, labels, sampler, chunk_size))
        return iter(())

    monkeypatch.setattr(generation, "draw", noted)
    found, engines = generation_contestants(subject, Plan(n_stays=6, n_long=2), REFERENCE)
    assert engines == {"bundled": "planted", "width 92": "reference", "272 steps": "reference"}
    seen = {}
    for contestant in found:
        contestant.run()
        source, labels, sampler, chunk_size = asked[-1]
        assert contestant.amount == len(labels)
        assert contestant.basis == f"from {len(labels)} stays"
        assert chunk_size == 4
        network = source.denoiser.network
        hidden = next(each.hidden_size for each in network.modules() if isinstance(each, torch.nn.GRU))
        length = source.denoiser.dimensions.sequence_length
        guided = bool((labels != UNCONDITIONED).all())
        seen[contestant.key] = (len(labels), sampler, guided, hidden, length, source.engine.name)
    assert seen["guided_euler_50"] == (6, EULER_50, True, 16, 6, "planted")
    assert seen["guided_2m_20"] == (6, OURS_2M_20, True, 16, 6, "planted")
    assert seen["uncond_euler_50"] == (6, EULER_50, False, 16, 6, "planted")
    assert seen["uncond_2m_20"] == (6, OURS_2M_20, False, 16, 6, "planted")
    assert seen["guided_euler_50_h92"][3:5] == (92, 6)
    assert seen["guided_2m_20_h92"][:2] == (4, OURS_2M_20)
    assert seen["guided_2m_20_272_steps"][:5] == (2, OURS_2M_20, True, 64, 272)
    assert seen["guided_2m_20_reference"] == (4, OURS_2M_20, True, 16, 6, "reference")


def test_the_samplers_are_the_papers_and_the_default() -> None:
    assert (EULER_50.solver, EULER_50.n_steps, EULER_50.guidance_scale) == ("euler", 50, 1.5)
    assert (OURS_2M_20.solver, OURS_2M_20.n_steps, OURS_2M_20.guidance_scale) == ("2m", 20, 1.5)


@pytest.mark.parametrize(("way", "branches"), [("guided_2m_20", 2), ("uncond_2m_20", 1)])
def test_unguided_drawing_evaluates_half_the_rows(
    way: str, branches: int, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    forward = DenoiserNetwork.forward

    def counted(network: DenoiserNetwork, scaled: torch.Tensor, t: torch.Tensor, label: torch.Tensor) -> object:
        rows.append(len(scaled))
        return forward(network, scaled, t, label)

    found, _ = generation_contestants(subject, Plan(n_stays=4, n_long=1), REFERENCE)
    monkeypatch.setattr(DenoiserNetwork, "forward", counted)
    next(each for each in found if each.key == way).run()
    assert rows == [4 * branches] * 21  # 20 steps, and the mean that the start is around


def test_a_stretched_codec_decodes_longer_stays(toy_codec: Codec) -> None:
    codec = stretched(toy_codec, 9)
    assert codec.schema.sequence_length == 9
    assert toy_codec.schema.sequence_length == 6
    assert codec.schema.features == toy_codec.schema.features
