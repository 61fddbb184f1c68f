"""What the report on a model is told of the stays that it looks at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator

from model.compute import Compute
from model.data.codec import Codec
from model.data.split import Split, split
from model.data.stays import Stays
from model.evaluation.report import evaluate
from model.spec.privacy import PrivacyThresholds
from model.spec.report import EvaluationOptions, Report, Subject
from tests.worker.conftest import ignore_progress, never
from worker.models import read_model
from worker.report import _note, report_on_model


def complete_stays(codec: Codec, n: int) -> Stays:
    """Stays of the codec's schema with nothing missing, all alike."""
    schema = codec.schema
    channels = sum(channel.kind != "label" for channel in codec.categorical_channels)
    numerical = torch.zeros(n, schema.sequence_length, len(schema.numerical)).numpy()
    codes = torch.zeros(n, schema.sequence_length, channels - len(schema.numerical), dtype=torch.int64).numpy()
    return Stays(numerical, codes, torch.zeros(n, len(schema.labels), dtype=torch.int64).numpy())


def test_a_models_own_stays_are_never_called_filled_in(trained_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = read_model(trained_folder, Compute(device="cpu"))
    stays, subjects, options = complete_stays(stored.model.codec, 20), list[Subject](), list[EvaluationOptions]()

    def spy(*, subject: Subject, **rest: Any) -> Report:
        subjects.append(subject)
        options.append(rest["options"])
        nothing_real = {**rest, "train": None, "holdout": None, "reference": None}
        return evaluate(subject=subject, **nothing_real)

    monkeypatch.setattr("worker.report.evaluate", spy)
    monkeypatch.setattr("worker.report.reference_statistics", lambda *_, **__: stored.reference)
    monkeypatch.setattr("worker.report._draw", lambda *_, **__: stays)
    sides: Split = split(stays, holdout_fraction=0.2, seed=0)
    thresholds = PrivacyThresholds(dcr_share=0.9)
    asked = EvaluationOptions(thresholds=thresholds)
    report_on_model(
        stored.model, sides, name="m", data_sha256="0", options=asked, progress=ignore_progress, cancelled=never
    )
    assert [subject.imputed for subject in subjects] == [False, False]
    assert options[-1].thresholds.dcr_share == 0.9


def test_a_report_is_what_its_published_schema_says(trained_folder: Path) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
    report = json.loads((trained_folder / "report.json").read_text())
    Draft202012Validator(schema).validate(report)
    assert not Draft202012Validator(schema).is_valid({**report, "scores": None})
    assert not Draft202012Validator(schema).is_valid({**report, "more": 1})


def test_a_trained_models_own_report_says_what_the_gate_would(trained_folder: Path) -> None:
    report = Report.model_validate_json((trained_folder / "report.json").read_bytes())
    assert report.privacy.status in ("passed", "held")
    assert len(str(report.provenance["dataset_sha256"])) == 64
    assert report.privacy.n_tests > 0


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("tstr_balanced", "A classifier (BiLSTM) that learns"),
        ("tstr_balanced_cnn_lstm", "A classifier (CNN-LSTM) that learns"),
        ("tstr_balanced[sex_]", "A classifier of sex_ (BiLSTM) that learns"),
        ("tstr_balanced_transformer[in_hospital_death]", "A classifier of in_hospital_death (Transformer) that learns"),
    ],
)
def test_a_note_says_which_network_learned_which_label(figure: str, words: str) -> None:
    assert _note(figure, 0.5).startswith(words)
