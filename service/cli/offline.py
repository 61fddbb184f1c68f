"""The commands that work on files, without a server. They call what the workers call."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from model.spec import presets
from model.spec.errors import CDMTError
from model.spec.presets import Preset
from service.cli import online
from service.cli.online import Device
from service.cli.ratios import EXAMPLE, parse_ratios
from service.cli.show import counts_table, privacy_line, scores_table
from service.cli.show import out as stdout

Table = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="Parquet or CSV, one row per stay and time step.")
]
SchemaFile = Annotated[
    Path | None,
    typer.Option("--schema", exists=True, dir_okay=False, help="JSON that describes the table; absent: inferred."),
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed on the same device gives the same result.")]
Detail = Annotated[
    Literal["quick", "full"], typer.Option(help="full: five seeds, larger samples, more networks; minutes.")
]
PresetName = Annotated[Preset | None, typer.Option(help="paper: the paper's settings, where no option says else.")]
HELD = 3
"""Exit status of `--fail-if-held`."""

Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch on a CPU (default: CDMT_THREADS, or all).")]


def train(
    table: Table,
    *,
    out: Annotated[Path, typer.Option(help="Folder to make for the model and its report.")],
    schema: SchemaFile = None,
    name: Annotated[str | None, typer.Option(help="The model's name (default: that of its folder).")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Longest duration of the optimisation.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Most optimiser steps (default: 48,000).")] = None,
    holdout: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share of patients kept for the report.")] = 0.2,
    epsilon: Annotated[
        float | None,
        typer.Option(help="Train with differential privacy and spend so much (docs/differential-privacy.md)."),
    ] = None,
    delta: Annotated[float | None, typer.Option(help="Of differential privacy: below 1 / patients.")] = None,
    max_grad_norm: Annotated[
        float | None, typer.Option(help="Of differential privacy: norm to which gradients are clipped.")
    ] = None,
    preset: PresetName = None,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Train a model on a table of real stays.

    The folder holds the weights (safetensors), a description, and the report. A training that was interrupted goes on
    from its last checkpoint when the same command is given again.
    """
    require_worker()
    from service.cli import work

    asked = {"max_minutes": minutes, "max_steps": steps, "privacy": _budget(epsilon, delta, max_grad_norm)}
    recipe = {
        "name": name or out.resolve().name,
        "training": {field: value for field, value in asked.items() if value is not None},
        "holdout_fraction": holdout,
        "seed": seed,
    }
    record, report = work.train(
        table,
        schema,
        out=out,
        recipe=presets.filled(recipe, presets.TRAINING[preset]) if preset else recipe,
        settings=online.settings(device=device, threads=threads),
    )
    stdout.print(f"{record.n_train:,} stays to train on, {record.n_holdout:,} held out; {record.n_steps:,} steps.")
    if record.privacy is not None:
        stdout.print(record.privacy.sentence, markup=False)
    stdout.print(scores_table(report))
    _print_paths(out)


def generate(
    model: Annotated[str, typer.Argument(help="Folder of a model, or `bundled` for the one that comes along.")],
    *,
    n_stays: Annotated[int, typer.Option("-n", "--stays", min=1, help="How many stays.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")] = Path("cohort.parquet"),
    ratio: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Ratios of a label's categories: {EXAMPLE}, or <label>=balanced; once per label. `balanced` alone if "
            "the model has one label. Labels left free follow the training data."
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file for the report.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file for the report.")] = None,
    mode: Annotated[
        Literal["conditional", "unconditional"], typer.Option(help="unconditional: the model chooses the labels, too.")
    ] = "conditional",
    missing: Annotated[
        Literal["as_observed", "imputed"] | None,
        typer.Option(help="imputed: no gaps, filled as for the training (default: as_observed)."),
    ] = None,
    preset: PresetName = None,
    solver: Annotated[Literal["euler", "2m"] | None, typer.Option(help="How noise is turned into stays.")] = None,
    steps: Annotated[int | None, typer.Option(min=2, help="Solver steps.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Strength of the labels; 1 is no guidance.")] = None,
    enforce_rules: Annotated[
        bool, typer.Option("--enforce-rules", help="Draw stays that break a rule of the schema again.")
    ] = False,
    detail: Detail = "quick",
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Generate synthetic stays with the label ratios you ask for, from a trained model."""
    require_worker()
    from service.cli import work

    if out.suffix.lower() == ".csv":
        raise CDMTError(f"{out} would hold Parquet: choose a name that ends in .parquet")
    sampler = {"solver": solver, "n_steps": steps, "guidance_scale": guidance}
    asked = {"missing": missing, "preset": preset}
    result, scores = work.generate(
        model,
        request={
            "n_stays": n_stays,
            "label_ratios": parse_ratios(ratio or ()),
            "mode": mode,
            **{field: value for field, value in asked.items() if value is not None},
            "sampler": {field: value for field, value in sampler.items() if value is not None},
            "enforce_rules": enforce_rules,
            "evaluate": report is not None or json is not None,
            "detail": detail,
            "seed": seed,
        },
        files=_wanted({"cohort.parquet": out, "report.html": report, "report.json": json}),
        settings=online.settings(device=device, threads=threads),
    )
    for warning in result.warnings:
        stdout.print(f"warning: {warning}", markup=False)
    stdout.print(counts_table(result.label_counts or {}))
    if result.redraw_rate is not None:
        stdout.print(f"{result.redraw_rate:.1%} of the drawn stays broke a rule and were drawn again.")
    if scores is not None:
        stdout.print(scores_table(scores))
    stdout.print(privacy_line(result.privacy, result.privacy_reason), markup=False)
    _print_paths(out, report, json)


def evaluate(
    real: Table,
    synthetic: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The synthetic table, like the real.")],
    *,
    report: Annotated[Path, typer.Option(help="HTML file for the report.")] = Path("report.html"),
    json: Annotated[Path | None, typer.Option(help="JSON file for the report.")] = None,
    schema: SchemaFile = None,
    holdout: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Table of real stays that the maker of the synthetic ones never saw."
        ),
    ] = None,
    holdout_fraction: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Without --holdout: share of the real patients put aside for it.")
    ] = 0.2,
    detail: Detail = "quick",
    fail_if_held: Annotated[
        bool, typer.Option("--fail-if-held", help=f"Exit status {HELD} if the privacy tests hold the table back.")
    ] = False,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Report how close a synthetic table is to a real one, whoever made it, and whether it is too close to patients.

    Every figure stands beside the one that real stays score which nobody learned from: those of --holdout, or a part
    of the real ones. The privacy tests can tell a copy of patients that the maker learned from only if these are in
    the real table and the holdout is not of them; their thresholds are settings (CDMT_PRIVACY_...).
    """
    require_worker()
    from service.cli import work

    scores = work.evaluate(
        real,
        synthetic,
        schema_file=schema,
        holdout=holdout,
        holdout_fraction=holdout_fraction,
        options={"seed": seed, "detail": detail},
        files=_wanted({"report.html": report, "report.json": json}),
        settings=online.settings(device=device, threads=threads),
    )
    stdout.print(scores_table(scores))
    verdict = scores.privacy
    stdout.print(privacy_line(verdict.status, verdict.reason), markup=False)
    _print_paths(report, json)
    if fail_if_held and verdict.status == "held":
        raise typer.Exit(HELD)


def _budget(epsilon: float | None, delta: float | None, max_grad_norm: float | None) -> dict[str, float] | None:
    """The privacy budget that the options ask for, if they do."""
    asked = {"epsilon": epsilon, "delta": delta, "max_grad_norm": max_grad_norm}
    given = {field: value for field, value in asked.items() if value is not None}
    if given and epsilon is None:
        raise CDMTError("--delta and --max-grad-norm belong to differential privacy: give --epsilon too")
    return given or None


def require_worker() -> None:
    """The gateway's installation has neither torch nor the worker."""
    for name in ("torch", "worker"):
        if importlib.util.find_spec(name) is None:
            raise CDMTError(f"this installation has no {name}, which models need: pip install 'cdmt-ehr[worker]'")


def _wanted(files: Mapping[str, Path | None]) -> dict[str, Path]:
    return {name: path for name, path in files.items() if path is not None}


def _print_paths(*paths: Path | None) -> None:
    for path in paths:
        if path is not None:
            stdout.print(str(path), markup=False)
