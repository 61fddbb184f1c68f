from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from model.compute import Compute
from model.diffusion.denoiser import Denoiser, DenoiserNetwork
from model.inference.choice import (
    CHECKED_TIMES,
    Candidate,
    choose_engine,
    first_that_suits,
    random_inputs,
    relative_error,
)
from model.inference.engine import Engine
from model.inference.reference import Reference
from tests.model.inference.networks import made_up_denoiser

ANSWERS: dict[float, tuple[Tensor, Tensor]] = {}


@dataclass
class Remembers:
    """Faster than any network: it knows the answers, off by `error`."""

    network: DenoiserNetwork
    error: float = 0.0
    seconds: float = 0.0
    name: str = "remembers"

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        until = time.process_time() + self.seconds
        while time.process_time() < until:
            pass
        output, logits = ANSWERS[float(t)]
        return output * (1 + self.error), logits


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    denoiser = made_up_denoiser(hidden=32)
    inputs = random_inputs(denoiser)
    for t in torch.tensor(CHECKED_TIMES):
        ANSWERS[float(t)] = Reference(denoiser.network)(inputs.scaled, t, inputs.labels)
    return denoiser


def chosen(denoiser: Denoiser, *tried: Candidate) -> Engine:
    return first_that_suits(Reference(denoiser.network), tried, random_inputs(denoiser))


RIGHT = Candidate("right", lambda network: Remembers(network, error=5e-4))
LIAR = Candidate("liar", lambda network: Remembers(network, error=2e-3))
SLOW = Candidate("slow", lambda network: Remembers(network, seconds=0.2))


def test_the_first_that_is_right_and_faster_is_taken(denoiser: Denoiser) -> None:
    assert chosen(denoiser, RIGHT, LIAR).name == "remembers"
    assert chosen(denoiser, LIAR, RIGHT).name == "remembers"


def _raises(error: Exception) -> Candidate:
    def build(network: DenoiserNetwork) -> Engine:
        raise error

    return Candidate("broken", build)


@dataclass
class NotFinite(Remembers):
    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        output, logits = super().__call__(scaled, t, labels)
        return output, logits.masked_fill(logits == logits.max(), torch.nan)


@dataclass
class OtherShape(Remembers):
    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        output, logits = super().__call__(scaled, t, labels)
        return output[0], logits


@pytest.mark.parametrize(
    ("candidate", "words", "level"),
    [
        (LIAR, "engine 'liar' is left out: its relative error is 2.0e-03", logging.WARNING),
        (SLOW, "times as long as the reference", logging.WARNING),
        (_raises(ImportError("no module")), "engine 'broken' is not installed: no module", logging.INFO),
        (_raises(OSError("illegal")), "engine 'broken' is left out: OSError: illegal", logging.WARNING),
        (Candidate("nan", NotFinite), "its relative error is inf", logging.WARNING),
        (Candidate("shape", OtherShape), "its relative error is inf", logging.WARNING),
    ],
)
def test_what_does_not_suit_is_left_out_and_said(
    denoiser: Denoiser, candidate: Candidate, words: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert chosen(denoiser, candidate).name == "reference"
    (record,) = caplog.records
    assert words in record.message
    assert record.levelno == level


def test_the_operator_may_ask_for_the_reference(denoiser: Denoiser) -> None:
    engine = choose_engine(denoiser, Compute(device="cpu", engine="reference"))
    assert isinstance(engine, Reference)


@pytest.mark.parametrize("labels", [(), (2,), (2, 3)])
def test_inputs_are_one_hot_or_not_given_and_always_the_same(labels: tuple[int, ...]) -> None:
    denoiser = made_up_denoiser(labels=labels)
    inputs = random_inputs(denoiser)
    assert inputs.labels.shape == (2, len(inputs.scaled), sum(labels))
    assert not inputs.labels[0].any()
    first = 0
    for size in labels:
        assert set(inputs.labels[1, :, first : first + size].sum(1).tolist()) == {0.0, 1.0}
        first += size
    assert torch.equal(random_inputs(denoiser).scaled, inputs.scaled)


def test_the_error_is_relative_to_the_norm() -> None:
    truth = torch.tensor([3.0, 4.0])
    assert relative_error(torch.tensor([3.0, 4.5]), truth) == pytest.approx(0.1)
    assert relative_error(torch.tensor([0.0, 0.5]), torch.zeros(2)) == 0.5
    assert relative_error(truth.double(), truth) == float("inf")
    assert relative_error(truth, truth * float("nan")) == float("inf")
