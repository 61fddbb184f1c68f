"""A trained model as a folder: `weights.safetensors` and `model.json`. Nothing in it is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from safetensors.torch import load

from model.compute import Compute
from model.data.codec import Codec
from model.data.codec_state import CodecState
from model.data.layout import TableLayout
from model.data.small_cells import told_table
from model.diffusion.denoiser import Denoiser
from model.files import read_content, write_bytes, write_tensors
from model.inference.choice import choose_engine
from model.inference.engine import Engine
from model.spec.base import Spec
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.errors import CheckpointError
from model.spec.files import PLAIN, Files
from model.spec.guarantee import PrivacyGuarantee
from model.spec.schema import Schema
from model.strata import rake
from model.training_run import TrainingSummary, dimensions_of

WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"


class LabelJoint(Spec):
    """Training counts of every combination of labels, flattened in C order, and of every category of each label.

    Counts of 1 to 10 are stored as 5 or so, and others make up for it: see `told_table`.
    """

    shape: tuple[int, ...]
    counts: tuple[int, ...]
    marginals: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, table: npt.NDArray[np.int64]) -> LabelJoint:
        """From a table of exact counts, (C_1, ..., C_K)."""
        if table.ndim == 0:  # no labels
            return cls(shape=(), counts=(int(table),))
        told = told_table(table)
        marginals = tuple(tuple(each.tolist()) for each in told.marginals)
        return cls(shape=table.shape, counts=tuple(told.counts.ravel().tolist()), marginals=marginals)

    def table(self) -> npt.NDArray[np.float64]:
        """(C_1, ..., C_K) counts to plan a cohort with: the stored ones, raked to the stored marginals.

        With many labels most combinations are rare; without the raking, what is stored for them would bend every
        label's rate.
        """
        counts = np.array(self.counts, dtype=np.float64).reshape(self.shape)
        if len(self.marginals) < 2:
            return counts
        marginals = [np.array(each, dtype=np.float64) for each in self.marginals]
        shares = rake(counts, [each / each.sum() for each in marginals])
        return shares * float(marginals[0].sum())


class ModelDescription(Spec):
    """Everything about a model but its weights."""

    format_version: Literal[1] = 1
    software_version: str
    layout: TableLayout
    codec: CodecState
    network: NetworkConfig
    training: TrainingConfig
    summary: TrainingSummary
    label_joint: LabelJoint
    n_training_stays: int
    seed: int
    privacy: PrivacyGuarantee | None = None


@dataclass(frozen=True)
class Model:
    """A trained model in memory, ready to draw stays from."""

    description: ModelDescription
    codec: Codec
    denoiser: Denoiser
    engine: Engine

    @property
    def schema(self) -> Schema:
        """The schema of the tables that it was trained on and makes."""
        return self.codec.schema


def save_model(description: ModelDescription, denoiser: Denoiser, folder: Path, *, files: Files = PLAIN) -> None:
    """Write a model into an existing folder."""
    write_tensors(folder / WEIGHTS, dict(denoiser.named_parameters()), files=files)
    write_bytes(folder / DESCRIPTION, description.model_dump_json(indent=1).encode())


def load_model(folder: Path, compute: Compute, *, files: Files = PLAIN) -> Model:
    """Read a model from its folder, and choose the engine that will draw from it.

    CheckpointError if a file is missing, altered or of an unknown format; CDMTError where there is no such device.
    """
    description = read_description(folder)
    codec = Codec(description.codec)
    denoiser = Denoiser(
        dimensions_of(codec, description.codec.data_schema.sequence_length),
        description.network,
        learnable_schedule=False,
        rho_range=description.training.rho_range,
        generator=torch.Generator(),
    )
    try:
        denoiser.load_state_dict(load(read_content(folder / WEIGHTS, files)), strict=True)
    except Exception as error:
        raise CheckpointError(
            f"'{WEIGHTS}' cannot be read or does not fit the model: {type(error).__name__}"
        ) from error
    denoiser = denoiser.requires_grad_(False).eval().to(compute.torch_device())
    return Model(description, codec, denoiser, choose_engine(denoiser, compute))


def read_description(folder: Path) -> ModelDescription:
    """The description of the model in `folder`, without its weights."""
    try:
        return ModelDescription.model_validate_json((folder / DESCRIPTION).read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise CheckpointError(f"'{DESCRIPTION}' is missing or not of a known format") from error
