from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.codec import Encoded
from model.spec.errors import CheckpointError
from model.training_checkpoint import TrainingProgress, fingerprint_of, read_checkpoint, write_checkpoint

CPU = torch.device("cpu")
PROGRESS = TrainingProgress(3, 1.5, float("inf"), 0, [(1, 0.5), (3, 0.25)], bfloat16=False)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 2), "b": torch.tensor(1.0)}
    write_checkpoint(tmp_path / "c", tensors, PROGRESS, fingerprint="x")
    found, progress = read_checkpoint(tmp_path / "c", fingerprint="x", device=CPU)
    assert progress == PROGRESS
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    with pytest.raises(CheckpointError, match="another configuration"):
        read_checkpoint(tmp_path / "c", fingerprint="y", device=CPU)


def test_a_file_that_is_missing_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path / "none", fingerprint="x", device=CPU)


def test_settings_and_every_value_count() -> None:
    def stays(value: float, length: int = 2) -> Encoded:
        codes = np.zeros((1, length, 1), dtype=np.int64)
        values = np.full((1, length, 1), value, dtype=np.float32)
        return Encoded(values, codes, codes[:, 0], ~np.isnan(values))

    prints = {fingerprint_of(stays(0), "a"), fingerprint_of(stays(1), "a"), fingerprint_of(stays(0), "b")}
    assert len(prints | {fingerprint_of(stays(0, 3), "a")}) == 4
    assert fingerprint_of(stays(0), "a") in prints
