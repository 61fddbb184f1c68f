"""The file from which a training goes on: tensors and progress, bound to one configuration and dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load
from torch import Tensor

from model.files import read_content, write_tensors
from model.spec.errors import CheckpointError
from model.spec.files import PLAIN, Files


class TrainingProgress(NamedTuple):
    """How far a training is, apart from its tensors. `history` holds (step, validation loss)."""

    step: int
    elapsed: float
    best_loss: float
    best_step: int
    history: list[tuple[int, float]]
    bfloat16: bool


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], progress: TrainingProgress, *, fingerprint: str, files: Files = PLAIN
) -> None:
    """Replace `path` by a checkpoint in one step."""
    metadata = {"fingerprint": fingerprint, "progress": json.dumps(progress._asdict()), "sha256": _digest(tensors)}
    write_tensors(path, tensors, metadata, files=files)


def read_checkpoint(
    path: Path, *, fingerprint: str, device: torch.device, files: Files = PLAIN
) -> tuple[dict[str, Tensor], TrainingProgress]:
    """What `write_checkpoint` wrote; CheckpointError if it is damaged or belongs to another training."""
    try:
        content = read_content(path, files)
        metadata = _metadata(content)
        tensors = {name: tensor.to(device) for name, tensor in load(content).items()}
    except Exception as error:
        raise CheckpointError(f"the training checkpoint cannot be read: {type(error).__name__}") from error
    if metadata.get("fingerprint") != fingerprint:
        raise CheckpointError("the training checkpoint belongs to another configuration, seed or dataset")
    if metadata.get("sha256") != _digest(tensors):
        raise CheckpointError("the training checkpoint is not what was written")
    progress = TrainingProgress(**json.loads(metadata["progress"]))
    return tensors, progress._replace(history=[(step, loss) for step, loss in progress.history])


def fingerprint_of(stays: Iterable[npt.NDArray[np.generic]], settings: str) -> str:
    """What must be the same for a training to go on from a checkpoint: the settings and every value of the data."""
    digest = hashlib.sha256(settings.encode())
    for array in stays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _metadata(content: bytes) -> dict[str, str]:
    """Of a safetensors file: 8 bytes of header length, and a JSON header that may hold it."""
    length = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    return found


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
