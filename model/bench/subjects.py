"""What is drawn from: the bundled model, and networks of other sizes with the weights that they begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from model.checkpoint import Model
from model.compute import Compute
from model.data.codec import Codec
from model.data.layout import TableLayout
from model.data.stays import Stays, concatenate
from model.diffusion.denoiser import Denoiser
from model.inference.choice import choose_engine
from model.inference.engine import Engine
from model.spec.config import NetworkConfig, SamplerConfig
from model.spec.schema import Schema
from model.synthesis import Source, synthesise
from model.training_run import dimensions_of

SEED = 0
ROUGH = SamplerConfig(n_steps=4, start="zero", guidance_scale=1.0)
"""For stays of which only the time that is spent on them matters."""


class WriteCohort(Protocol):
    """Writes chunks of stays to a Parquet file, and passes each on."""

    def __call__(
        self,
        chunks: Iterable[Stays],
        path: Path,
        *,
        schema: Schema,
        layout: TableLayout,
        metadata: Mapping[str, str],
    ) -> Iterator[Stays]:
        """The file is whole when the last chunk has been taken."""


@dataclass(frozen=True)
class Product:
    """What is measured: a model's folder, and how the worker, which the model does not know, draws and writes."""

    folder: Path
    chunk_size: Callable[[Model], int]
    write: WriteCohort


@dataclass(frozen=True)
class Subject:
    """A denoiser to draw from, and how many stays at a time."""

    codec: Codec
    denoiser: Denoiser
    engine: Engine
    chunk_size: int


def untrained(codec: Codec, network: NetworkConfig, *, chunk_size: int, compute: Compute) -> Subject:
    """A denoiser of this size for stays as `codec` describes them, with the weights that it begins with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        denoiser = Denoiser(
            dimensions_of(codec, codec.schema.sequence_length),
            network,
            learnable_schedule=False,
            generator=torch.Generator().manual_seed(SEED),
        )
    denoiser = denoiser.requires_grad_(False).eval().to(compute.torch_device())
    return Subject(codec, denoiser, choose_engine(denoiser, compute), chunk_size)


def stretched(codec: Codec, length: int) -> Codec:
    """The same features over a window of `length` steps."""
    schema = codec.schema.model_copy(update={"sequence_length": length})
    return Codec(codec.state.model_copy(update={"data_schema": schema}))


def any_labels(schema: Schema, n: int) -> npt.NDArray[np.int64]:
    """(n, K) label codes, every category equally likely."""
    rng = np.random.default_rng(SEED)
    return np.stack([rng.integers(len(label.categories), size=n) for label in schema.labels], axis=1)


def draw(source: Source, labels: npt.NDArray[np.int64], *, sampler: SamplerConfig, chunk_size: int) -> Iterator[Stays]:
    """Stays with these labels, chunk by chunk, as a worker draws them."""
    return synthesise(
        source,
        labels,
        sampler=sampler,
        missing="as_observed",
        seed=SEED,
        chunk_size=chunk_size,
        progress=_tell_nobody,
        cancelled=_never,
    )


def rough_stays(subject: Subject, n: int) -> Stays:
    """Stays to train on, to write and to report on, drawn in few steps."""
    labels = any_labels(subject.codec.schema, n)
    return concatenate(list(draw(subject, labels, sampler=ROUGH, chunk_size=subject.chunk_size)))


def _tell_nobody(step: str, value: int, maximum: int) -> None:
    """No progress."""


def _never() -> bool:
    return False
