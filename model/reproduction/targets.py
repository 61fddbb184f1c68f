"""What this project set out to reach on Challenge 2012, and whether it did: computed from the results, not typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.data.rules import COMPARE
from model.reproduction.arms import DEFAULT
from model.reproduction.tables import Results
from model.spec.base import Spec

Met = Literal["met", "not met", "not measured"]


@dataclass(frozen=True)
class Target:
    """A bound on the mean over seeds of a figure: of its value, of `value - real`, or of the size of that.

    Where there is a `rival`, its mean stands in for the real stays'.
    """

    text: str
    figure: str
    relation: Literal["<=", ">=", "<", ">"]
    bound: float
    of: Literal["value", "difference", "distance"] = "value"
    arm: str = DEFAULT
    rival: str | None = None


class Judged(Spec):
    """A target, the mean (or difference of means) that it is about, and whether it is met."""

    text: str
    arm: str
    value: float | None
    seeds: int
    status: Met


TARGETS = (
    Target("TSTR / TRTR >= .99", "tstr_share", ">=", 0.99),
    Target("CFG-bal: TSTR >= TRTR", "tstr", ">=", 0.0, "difference", "ours-bal"),
    Target("100 % real + 100 % synthetic above TRTR", "mix_100_100", ">", 0.0, "difference"),
    Target("TRTS within .02 of real", "trts", "<=", 0.02, "distance"),
    Target("C2ST LR <= .53", "c2st_logistic", "<=", 0.53),
    Target("C2ST MLP <= .515", "c2st_mlp", "<=", 0.515),
    Target("C2ST LSTM <= .515", "c2st_lstm", "<=", 0.515),
    Target("TVD <= .0045", "total_variation", "<=", 0.0045),
    Target("transition distance <= .015", "transition_distance", "<=", 0.015),
    Target("transition distance <= .0105 (mostlyai-engine's, measured elsewhere)", "transition_distance", "<=", 0.0105),
    Target("MMD <= .027", "mmd", "<=", 0.027),
    Target("ACF MSE <= .00005", "acf_mse", "<=", 0.00005),
    Target("Corr MAE <= .006", "correlation_mae", "<=", 0.006),
    Target("rules hold in >= 99.4 % of rows", "rules", ">=", 0.994),
    Target("p99.9 of every feature within 5 % of real", "tail_error", "<=", 0.05),
)  # fmt: skip


BETTER: tuple[tuple[str, str, Literal["<", ">"]], ...] = (
    ("TSTR", "tstr", ">"), ("C2ST LR", "c2st_logistic", "<"), ("C2ST MLP", "c2st_mlp", "<"),
    ("C2ST LSTM", "c2st_lstm", "<"), ("Corr MAE", "correlation_mae", "<"), ("ACF MSE", "acf_mse", "<"),
    ("TVD", "total_variation", "<"), ("transition distance", "transition_distance", "<"), ("MMD", "mmd", "<"),
)  # fmt: skip
"""Figures that shall be better than TimeDiff's in the same reproduction."""
RIVALS = tuple(
    Target(f"{name} better than TimeDiff's (GRU)", figure, relation, 0.0, "difference", rival="timediff-gru")
    for name, figure, relation in BETTER
)


def judged(results: Results) -> tuple[Judged, ...]:
    """Every target, met or not."""
    return tuple(_judge(target, results) for target in (*TARGETS, *RIVALS))


def _judge(target: Target, results: Results) -> Judged:
    value, real = (results.cell(target.arm, target.figure, side=side) for side in ("value", "real"))
    other = real if target.rival is None else results.cell(target.rival, target.figure)
    found = _subject(target, value.mean, other.mean)
    met: Met = "not measured" if found is None else "met" if _holds(target, found) else "not met"
    return Judged(text=target.text, arm=target.arm, value=found, seeds=value.n, status=met)


def _subject(target: Target, value: float | None, other: float | None) -> float | None:
    if target.of == "value" or value is None:
        return value
    if other is None:
        return None
    return value - other if target.of == "difference" else abs(value - other)


def _holds(target: Target, value: float) -> bool:
    return bool(COMPARE[target.relation](value, target.bound))


def targets_markdown(targets: tuple[Judged, ...]) -> str:
    """The targets as a table."""
    rows = [
        f"| {one.text} | {one.arm} | {'-' if one.value is None else f'{one.value:.5f}'} | {one.seeds} | {one.status} |"
        for one in targets
    ]
    head = "| target | arm | mean | seeds | |\n| --- | --- | ---: | ---: | --- |"
    return "\n".join([head, *rows])
