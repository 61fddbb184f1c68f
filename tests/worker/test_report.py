"""What the report on a model is told of the stays that it looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from model.data.codec import Codec
from model.data.split import Split, split
from model.data.stays import Stays
from model.evaluation.report import evaluate
from model.spec.report import Report, Subject
from tests.worker.conftest import ignore_progress, never
from worker.models import read_model
from worker.report import report_on_model


def complete_stays(codec: Codec, n: int) -> Stays:
    """Stays of the codec's schema with nothing missing, all alike."""
    schema = codec.schema
    channels = sum(channel.kind != "label" for channel in codec.categorical_channels)
    numerical = torch.zeros(n, schema.sequence_length, len(schema.numerical)).numpy()
    codes = torch.zeros(n, schema.sequence_length, channels - len(schema.numerical), dtype=torch.int64).numpy()
    return Stays(numerical, codes, torch.zeros(n, len(schema.labels), dtype=torch.int64).numpy())


def test_a_models_own_stays_are_never_called_filled_in(trained_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = read_model(trained_folder, torch.device("cpu"))
    stays, subjects = complete_stays(stored.model.codec, 20), list[Subject]()

    def spy(*, subject: Subject, **rest: Any) -> Report:
        subjects.append(subject)
        nothing_real = {**rest, "train": None, "holdout": None, "reference": None}
        return evaluate(subject=subject, **nothing_real)

    monkeypatch.setattr("worker.report.evaluate", spy)
    monkeypatch.setattr("worker.report.reference_statistics", lambda *_, **__: stored.reference)
    monkeypatch.setattr("worker.report._draw", lambda *_, **__: stays)
    sides: Split = split(stays, holdout_fraction=0.2, seed=0)
    report_on_model(stored.model, sides, name="m", seed=0, progress=ignore_progress, cancelled=never)
    assert [subject.imputed for subject in subjects] == [False, False]
