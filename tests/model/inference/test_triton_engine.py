"""The kernels on a GPU where there is one; elsewhere under Triton's interpreter, which runs them on numpy arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from model.diffusion.guidance import LabelScales, guided
from model.inference.choice import random_inputs, relative_error
from model.inference.engine import Engine
from model.inference.reference import Reference
from model.inference.sampling import SamplingDenoiser
from tests.model.inference.networks import made_up_denoiser

if find_spec("triton") is None:
    pytest.skip("Triton is not installed: it comes with torch's builds for a GPU", allow_module_level=True)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RUNS_HERE = DEVICE == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"
if RUNS_HERE:
    from model.inference.triton_engine import TritonEngine, both_halves, high_and_low, padded_size
runs_kernels = pytest.mark.skipif(not RUNS_HERE, reason="run in a process of its own, under Triton's interpreter")

SHAPES: dict[str, dict[str, object]] = {
    "smallest": {"length": 1, "hidden": 4, "layers": 1},
    "no labels": {"length": 3, "hidden": 16, "labels": ()},
    "three branches, padded": {"length": 5, "hidden": 23, "labels": (2, 3)},
    "no numbers": {"length": 2, "hidden": 16, "n_numerical": 0},
    "as a model": {"length": 4, "hidden": 64, "layers": 3},
    "weights read at every step": {"length": 3, "hidden": 128, "layers": 1},
}


def called(engine: Engine, scaled: Tensor, labels: Tensor, t: float = 0.4) -> tuple[Tensor, Tensor]:
    """The results on the CPU."""
    arguments = (scaled.to(DEVICE), torch.tensor(t, device=DEVICE), labels.to(DEVICE))
    output, logits = engine(*arguments)
    return output.cpu(), logits.cpu()


@pytest.mark.skipif(RUNS_HERE, reason="the kernels run in this process")
def test_all_of_this_under_the_interpreter() -> None:
    """Triton looks for the variable when it is first imported, and that may have happened here."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    run = subprocess.run(
        command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=170, check=False
    )
    assert run.returncode == 0, run.stdout


@runs_kernels
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_computes_what_the_reference_computes(shape: dict[str, object], split: bool) -> None:
    denoiser = made_up_denoiser(**shape).to(DEVICE)  # type: ignore[arg-type]
    inputs = random_inputs(denoiser)
    n_stays = 70 if shape["hidden"] == 4 else 5  # more than a program's rows, and fewer
    n_branches = 3 if len(denoiser.dimensions.label_sizes) > 1 else 2
    labels = inputs.labels[[0, 1, 1][:n_branches], :n_stays]
    found = called(TritonEngine(denoiser.network, split=split), inputs.scaled[:n_stays], labels)
    expected = called(Reference(denoiser.network), inputs.scaled[:n_stays], labels)
    for mine, truth in zip(found, expected, strict=True):
        assert relative_error(mine, truth) < (1e-4 if split else 1e-3)


@runs_kernels
def test_long_windows() -> None:
    length = 272 if DEVICE == "cuda" else 30  # the interpreter is slow
    denoiser = made_up_denoiser(length=length, hidden=8, layers=1).to(DEVICE)
    inputs = random_inputs(denoiser)
    engines = TritonEngine(denoiser.network, split=True), Reference(denoiser.network)
    found, expected = (called(engine, inputs.scaled[:2], inputs.labels[:, :2]) for engine in engines)
    assert relative_error(found[1], expected[1]) < 1e-4


@runs_kernels
def test_splitting_operands_pays_in_the_error() -> None:
    denoiser = made_up_denoiser(length=4, hidden=32, layers=3).to(DEVICE)
    inputs = random_inputs(denoiser)
    scaled, labels = inputs.scaled[:8], inputs.labels[:, :8]
    expected = called(Reference(denoiser.network), scaled, labels)[1]
    errors = [
        relative_error(called(TritonEngine(denoiser.network, split=split), scaled, labels)[1], expected)
        for split in (False, True)
    ]
    assert errors[1] < errors[0] / 5


@runs_kernels
def test_guided_states_are_those_of_the_reference() -> None:
    denoiser = made_up_denoiser(labels=(2, 3)).to(DEVICE)
    inputs = random_inputs(denoiser)
    state, t = 2 * inputs.scaled[:6], torch.tensor(0.5, device=DEVICE)
    sigma, scales = denoiser.sigma(t[None])[0], LabelScales(torch.full((5,), 2.0), torch.full((5,), 1.5))
    states = [
        guided(SamplingDenoiser(denoiser, engine), inputs.labels[1, :6], scales=scales)(state, sigma, t).cpu()
        for engine in (TritonEngine(denoiser.network, split=True), Reference(denoiser.network))
    ]
    assert relative_error(*states) < 1e-4


@runs_kernels
def test_a_row_is_the_same_whoever_shares_its_batch() -> None:
    denoiser = made_up_denoiser(length=3).to(DEVICE)
    inputs = random_inputs(denoiser)
    engine = TritonEngine(denoiser.network, split=True)
    together, alone = (called(engine, inputs.scaled[:n], inputs.labels[:, :n]) for n in (9, 1))
    assert all(relative_error(many[:, :1], one) < 1e-5 for many, one in zip(together, alone, strict=True))


@runs_kernels
def test_a_weight_is_the_sum_of_its_halves() -> None:
    weight = torch.randn(100, generator=torch.Generator().manual_seed(0))
    high, low = high_and_low(weight).float()
    assert relative_error(high, weight) > 1e-5
    assert relative_error(high + low, weight) < 1e-7


@runs_kernels
def test_padding_is_zero_after_each_half() -> None:
    wide = both_halves(torch.arange(1.0, 7), 3, 4, 0)
    assert wide.tolist() == [1, 2, 3, 0, 4, 5, 6, 0]
    assert [padded_size(n) for n in (1, 16, 17, 64, 92, 128)] == [16, 16, 32, 64, 128, 128]
