"""The fused network in all its builds, beside the reference. What was not built, or runs nowhere here, is skipped."""

from __future__ import annotations

import dataclasses
import gc
import shutil
import signal
import subprocess
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from model.checkpoint import Model, load_model
from model.compute import Compute
from model.data.stays import Stays, concatenate
from model.diffusion.denoiser import Denoiser
from model.inference import fused, native
from model.inference.choice import MAX_RELATIVE_ERROR, Inputs, choose_engine, random_inputs, relative_error
from model.inference.engine import Engine
from model.inference.fused import Fused
from model.inference.native import BUILDS, Build, pack_rows, pack_tiles
from model.inference.reference import Reference
from model.spec.config import SamplerConfig
from model.synthesis import synthesise
from tests.model.inference.networks import made_up_denoiser

BUNDLED = Path(__file__).parents[3] / "model" / "bundled" / "challenge2012-v1"
EMULATED = Build("emulated", frozenset(), pack_tiles)
GENERIC = next(build for build in BUILDS if build.name == "generic")
SPLIT_BFLOAT16, FLOAT32 = 2e-4, 1e-5
TOLERANCE = {"amx": SPLIT_BFLOAT16, "emulated": SPLIT_BFLOAT16}


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the build for AMX, its tiles being plain arrays."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler is here")
    folder = tmp_path_factory.mktemp("native")
    flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-fno-exceptions", "-fno-rtti", "-DEMULATE_AMX", "-Wno-psabi"]
    source = native.FOLDER / "fused.cpp"
    subprocess.run([compiler, *flags, str(source), "-o", str(folder / "emulated.so")], check=True)
    return folder


@pytest.fixture(params=[*BUILDS, EMULATED], ids=lambda build: build.name)
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Build:
    build: Build = request.param
    if build is EMULATED:
        folder = request.getfixturevalue("emulated")
        monkeypatch.setattr(fused, "load", lambda build: native.load(build, folder))
        return build
    try:
        native.load(build)
    except ImportError as error:
        pytest.skip(str(error))
    return build


class Shape(NamedTuple):
    n_stays: int
    length: int = 6
    hidden: int = 16
    layers: int = 2
    labels: tuple[int, ...] = (2,)
    n_numerical: int = 3
    n_branches: int = 2


SHAPES = (
    Shape(1, length=1),
    Shape(3, length=25, hidden=64, layers=3, labels=(2, 3), n_branches=3),
    Shape(3, length=272, hidden=32),
    Shape(49, labels=(), n_branches=1),
    Shape(96, hidden=92, n_numerical=0),
    Shape(512, hidden=32, layers=1),
    Shape(5, hidden=7, layers=1),
)


def compared(engine: Engine, denoiser: Denoiser, inputs: Inputs, t: float) -> float:
    """The larger relative error of F and logits."""
    at = torch.tensor(t)
    found, truth = (each(inputs.scaled, at, inputs.labels) for each in (engine, Reference(denoiser.network)))
    return max(relative_error(*pair) for pair in zip(found, truth, strict=True))


def inputs_of(shape: Shape, denoiser: Denoiser) -> Inputs:
    """Random states, in which every branch has other labels."""
    generator = torch.Generator().manual_seed(1)
    scaled = torch.randn(shape.n_stays, shape.length, denoiser.state_dim, generator=generator)
    labels = torch.rand(shape.n_branches, shape.n_stays, sum(shape.labels), generator=generator)
    return Inputs(scaled, labels.round())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_agrees_with_the_reference(build: Build, shape: Shape) -> None:
    denoiser = made_up_denoiser(
        length=shape.length,
        hidden=shape.hidden,
        layers=shape.layers,
        labels=shape.labels,
        n_numerical=shape.n_numerical,
    )
    error = compared(Fused(denoiser.network, build), denoiser, inputs_of(shape, denoiser), 0.3)
    assert error < TOLERANCE.get(build.name, FLOAT32)


@pytest.fixture(scope="module")
def bundled() -> Model:
    return load_model(BUNDLED, Compute(device="cpu", engine="reference"))


@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 1.0])
def test_it_agrees_with_trained_weights(build: Build, bundled: Model, t: float) -> None:
    inputs = random_inputs(bundled.denoiser)
    few = Inputs(inputs.scaled[:40], inputs.labels[:, :40])
    error = compared(Fused(bundled.denoiser.network, build), bundled.denoiser, few, t)
    assert error < TOLERANCE.get(build.name, FLOAT32) < MAX_RELATIVE_ERROR


def test_a_stay_does_not_depend_on_its_neighbours_nor_on_threads(build: Build) -> None:
    denoiser = made_up_denoiser(hidden=32)
    inputs = inputs_of(Shape(101), denoiser)
    at = torch.tensor(0.3)
    together = torch.cat(
        [each.flatten(3) for each in Fused(denoiser.network, build)(inputs.scaled, at, inputs.labels)], -1
    )
    torch.set_num_threads(1 if build is EMULATED else 3)  # its tiles are one process's
    engine = Fused(denoiser.network, build)
    torch.set_num_threads(1)
    parts = [
        torch.cat([each.flatten(3) for each in engine(inputs.scaled[part], at, inputs.labels[:, part])], -1)
        for part in (slice(0, 1), slice(1, 60), slice(60, 101))
    ]
    assert torch.equal(torch.cat(parts, dim=1), together)


def test_what_is_not_finite_stays_so_and_with_its_stay(build: Build) -> None:
    denoiser = made_up_denoiser()
    inputs = inputs_of(Shape(4), denoiser)
    inputs.scaled[1, 2, 0] = torch.nan
    output, logits = Fused(denoiser.network, build)(inputs.scaled, torch.tensor(0.3), inputs.labels)
    assert [bool(stay.isfinite().all()) for stay in output[0]] == [True, False, True, True]
    assert [bool(stay.isfinite().all()) for stay in logits[0]] == [True, False, True, True]


def test_a_build_for_another_kind_of_processor_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "some.so").touch()
    with pytest.raises(ImportError, match="the processor has no sse9"):
        native.load(Build("some", frozenset({"sse9"}), pack_tiles), tmp_path)


def test_what_was_not_built_is_said() -> None:
    with pytest.raises(ImportError, match=r"abacus\.so was not built"):
        native.load(Build("abacus", frozenset(), pack_tiles))


def test_rows_are_packed_side_by_side() -> None:
    packed = pack_rows(torch.arange(1.0, 7).reshape(3, 2), rows=2)
    assert packed.tolist() == [1, 3, 2, 4, 5, 0, 6, 0]


def test_tiles_hold_both_halves_of_each_weight() -> None:
    weights = torch.randn(40, 33, generator=torch.Generator().manual_seed(0))
    halves = pack_tiles(weights).view(torch.bfloat16).reshape(4, 2, 2, 16, 32)
    whole = halves.float().sum(2).permute(0, 2, 1, 3).reshape(64, 64)
    assert (whole[:40, :33] - weights).abs().max() < 2**-15
    assert not whole[40:].any()
    assert not whole[:, 33:].any()


def test_the_same_noise_gives_the_same_cohort(bundled: Model) -> None:
    """By the engine that is chosen here: means, spreads and rates of what is measured, and stay by stay."""
    engine = choose_engine(bundled.denoiser, Compute(device="cpu"))
    if engine.name == "reference":
        pytest.skip("there is no faster engine here")
    drawn, truth = _drawn(bundled, engine), _drawn(bundled, bundled.engine)
    axes, spread = (0, 1), np.nanstd(truth.numerical, (0, 1))
    means = np.nanmean(drawn.numerical, axes) - np.nanmean(truth.numerical, axes)
    assert (np.abs(means) < 2e-3 * spread).all()
    assert (np.abs(np.nanstd(drawn.numerical, axes) / spread - 1) < 2e-3).all()
    assert np.abs(drawn.observed.mean(axes) - truth.observed.mean(axes)).max() < 1e-3
    assert (drawn.observed != truth.observed).mean() < 1e-3
    assert np.nanquantile(np.abs(drawn.numerical - truth.numerical) / spread, 0.99) < 1e-3


def _drawn(model: Model, engine: Engine) -> Stays:
    chunks = synthesise(
        dataclasses.replace(model, engine=engine),
        np.arange(96)[:, None] % 2,
        sampler=SamplerConfig(n_steps=10),
        missing="as_observed",
        seed=0,
        chunk_size=96,
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    return concatenate(list(chunks))


class Interrupt(Exception):
    """Raised by a signal, as a timeout is."""


def test_a_call_that_is_interrupted_leaves_its_tensors_to_the_parts_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupt

    def evaluate(*_: object) -> int:
        return 0 if let_go.wait(20) else 1

    let_go, denoiser = threading.Event(), made_up_denoiser(hidden=8)
    try:
        engine = Fused(denoiser.network, GENERIC)
    except ImportError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(engine, "_n_threads", 2)
    monkeypatch.setattr(engine, "_pool", ThreadPoolExecutor(2))
    monkeypatch.setattr(engine, "_library", SimpleNamespace(evaluate=evaluate))
    scaled, labels = random_inputs(denoiser)
    kept = weakref.ref(scaled)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with suppress(Interrupt):
            engine(scaled, torch.tensor(0.5), labels)
        del scaled
        gc.collect()
        assert kept() is not None
    finally:
        signal.signal(signal.SIGALRM, before)
        let_go.set()
