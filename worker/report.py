"""Reports as the jobs make them: what is compared with what, and how the report is stored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import structlog
from pydantic import ValidationError

from model.checkpoint import Model
from model.data.codec import Codec
from model.data.split import Split
from model.data.stays import Stays, concatenate
from model.evaluation.definitions import CLASSIFIERS
from model.evaluation.reference import ReferenceStatistics, reference_statistics
from model.evaluation.render import render_html
from model.evaluation.report import evaluate
from model.spec.config import SamplerConfig
from model.spec.privacy import PrivacyVerdict
from model.spec.ratios import LabelRatios
from model.spec.report import Classifier, EvaluationOptions, Report, Subject
from model.strata import count_labels, plan_labels
from model.synthesis import synthesise
from model.training import CancelCheck, Progress
from service.contracts.records import REPORT_HTML, REPORT_JSON
from worker.cohort import default_chunk_size, is_on_gpu

REFERENCE = "reference.json"
REPORT_STAYS_CPU, REPORT_STAYS_GPU = 3_000, 10_000
"""A model's report rests on so many stays of its own, where nobody says otherwise: minutes on a CPU."""
_BALANCED = re.compile(r"tstr_balanced(?:_(\w+))?(?:\[(.*)])?")

log = structlog.get_logger(__name__)


class ModelReport(NamedTuple):
    """The report on a model, what it remembers of the real stays, and its main figures."""

    report: Report
    reference: ReferenceStatistics
    figures: dict[str, float | None]


def report_on_model(
    model: Model,
    sides: Split,
    *,
    name: str,
    data_sha256: str,
    options: EvaluationOptions,
    n_stays: int | None = None,
    progress: Progress,
    cancelled: CancelCheck,
) -> ModelReport:
    """Draw `n_stays` at the training rate (CFG-comb), at most as many as were trained on, and compare them with those.

    A second cohort with all label categories equally often (CFG-bal) is judged by what a classifier learns from it:
    figure `tstr_balanced`. Raises Cancelled.
    """
    seed = options.seed
    reference = reference_statistics(
        model.codec,
        sides.train,
        sides.holdout,
        options=options,
        progress=progress,
        cancelled=cancelled,
    )
    n_stays = min(len(sides.train), n_stays or (REPORT_STAYS_GPU if is_on_gpu(model) else REPORT_STAYS_CPU))
    labels = _labels(model, None, n_stays=n_stays, seed=seed)
    drawn = _draw(model, labels, seed=seed, progress=progress, cancelled=cancelled)
    balanced = _balanced_utility(
        model, sides, reference, n_stays=n_stays, seed=seed, progress=progress, cancelled=cancelled
    )
    provenance = {**_provenance(model), "dataset_sha256": data_sha256}
    notes = tuple(_note(figure, value) for figure, value in balanced.items())
    asked = count_labels(labels, model.schema)
    report = report_on_table(
        model.codec,
        drawn,
        real=sides,
        reference=reference,
        subject=Subject(
            kind="model",
            title=name,
            asked=asked,
            imputed=False,
            provenance=provenance,
            notes=notes,
            guarantee=model.description.privacy,
        ),
        options=options,
        progress=progress,
        cancelled=cancelled,
    )
    return ModelReport(report, reference, {**report.headline(), **balanced})


def report_on_table(
    codec: Codec,
    synthetic: Stays,
    *,
    real: Split | None,
    reference: ReferenceStatistics | None,
    subject: Subject,
    options: EvaluationOptions,
    progress: Progress,
    cancelled: CancelCheck,
) -> Report:
    """Compare stays, whoever made them, with the real ones or with what is remembered of those. Raises Cancelled."""
    return evaluate(
        codec=codec,
        train=real.train if real else None,
        holdout=real.holdout if real else None,
        synthetic=synthetic,
        reference=reference,
        options=options,
        subject=subject,
        progress=progress,
        cancelled=cancelled,
    )


def write_report(report: Report, folder: Path) -> None:
    """Write the report as JSON and as one page that needs nothing else."""
    (folder / REPORT_JSON).write_text(report.model_dump_json(indent=1), encoding="utf-8")
    (folder / REPORT_HTML).write_text(render_html(report), encoding="utf-8")


def write_reference(reference: ReferenceStatistics, folder: Path) -> None:
    """Write what a model remembers of the real stays."""
    (folder / REFERENCE).write_text(reference.model_dump_json(indent=1), encoding="utf-8")


def read_reference(folder: Path) -> ReferenceStatistics | None:
    """What `write_reference` wrote; None where it did not, or in a format of another version: reports then say less."""
    try:
        return ReferenceStatistics.model_validate_json((folder / REFERENCE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        log.warning("reference_unreadable", model_id=folder.name)
        return None


def read_verdict(folder: Path) -> PrivacyVerdict | None:
    """What the privacy gate says of the model in `folder`; None where its report does not say it."""
    try:
        return Report.model_validate_json((folder / REPORT_JSON).read_bytes()).privacy
    except (FileNotFoundError, ValidationError):  # a report of an earlier version
        return None


def _labels(model: Model, ratios: LabelRatios | None, *, n_stays: int, seed: int) -> npt.NDArray[np.int64]:
    joint = model.description.label_joint.table()
    return plan_labels(model.schema, joint, n_stays=n_stays, ratios=ratios, seed=seed).codes


def _draw(
    model: Model, labels: npt.NDArray[np.int64], *, seed: int, progress: Progress, cancelled: CancelCheck
) -> Stays:
    chunks = synthesise(
        model,
        labels,
        sampler=SamplerConfig(),
        missing="as_observed",
        seed=seed,
        chunk_size=default_chunk_size(model),
        progress=progress,
        cancelled=cancelled,
    )
    return concatenate(list(chunks))


def _balanced_utility(
    model: Model,
    sides: Split,
    reference: ReferenceStatistics,
    *,
    n_stays: int,
    seed: int,
    progress: Progress,
    cancelled: CancelCheck,
) -> dict[str, float]:
    """TSTR per label of a cohort with balanced labels; empty where there is no label or it cannot be computed."""
    if not model.schema.labels:
        return {}
    ratios: LabelRatios = {label.name: "balanced" for label in model.schema.labels}
    labels = _labels(model, ratios, n_stays=n_stays, seed=seed)
    report = report_on_table(
        model.codec,
        _draw(model, labels, seed=seed, progress=progress, cancelled=cancelled),
        real=sides,
        reference=reference,
        subject=Subject(imputed=False),
        options=EvaluationOptions(seed=seed, metrics=("tstr",)),
        progress=progress,
        cancelled=cancelled,
    )
    found = {name: value for name, value in report.headline().items() if name.startswith("tstr")}
    return {name.replace("tstr", "tstr_balanced", 1): value for name, value in found.items()}


def _note(figure: str, value: float) -> str:
    named = _BALANCED.fullmatch(figure)
    assert named is not None, figure
    network, label = CLASSIFIERS[cast(Classifier, named[1] or "bilstm")], named[2]
    return (
        f"A classifier{f' of {label}' if label else ''} ({network}) that learns from a cohort with all label "
        f"categories equally often (CFG-bal) scores {value:.3f} on the holdout."
    )


def _provenance(model: Model) -> dict[str, str | int | float]:
    description, summary = model.description, model.description.summary
    return {
        "software_version": description.software_version,
        "training_steps": summary.steps,
        "training_seconds": round(summary.seconds, 1),
        "device": summary.device,
        "seed": description.seed,
        "engine": model.engine.name,
    }
