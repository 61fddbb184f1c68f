"""Tensors in safetensors files, of which a reader never sees half of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from model.spec.files import PLAIN, Files


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step."""
    PLAIN.write(path, content)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None, *, files: Files = PLAIN
) -> None:
    """Replace `path` by a safetensors file in one step."""
    files.write(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata))


def read_content(path: Path, files: Files = PLAIN) -> bytes:
    """All of a file; OSError, or what `files` raises for one that it cannot read."""
    with files.source(path).open("rb") as file:
        return file.read()
