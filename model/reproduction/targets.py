"""What this project set out to reach on Challenge 2012, and whether it did: computed from the results, not typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.reproduction.arms import DEFAULT
from model.reproduction.tables import Results
from model.spec.base import Spec

Met = Literal["met", "not met", "not measured"]


@dataclass(frozen=True)
class Target:
    """A bound on the mean over seeds of a figure: of its value, of `value - real`, or of the size of that."""

    text: str
    figure: str
    relation: Literal["<=", ">=", ">"]
    bound: float
    of: Literal["value", "difference", "distance"] = "value"
    arm: str = DEFAULT


class Judged(Spec):
    """A target, the mean that it is about, and whether it is met."""

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


def judged(results: Results) -> tuple[Judged, ...]:
    """Every target, met or not."""
    return tuple(_judge(target, results) for target in TARGETS)


def _judge(target: Target, results: Results) -> Judged:
    value, real = (results.cell(target.arm, target.figure, side=side) for side in ("value", "real"))
    found = _subject(target, value.mean, real.mean)
    met: Met = "not measured" if found is None else "met" if _holds(target, found) else "not met"
    return Judged(text=target.text, arm=target.arm, value=found, seeds=value.n, status=met)


def _subject(target: Target, value: float | None, real: float | None) -> float | None:
    if target.of == "value" or value is None:
        return value
    if real is None:
        return None
    return value - real if target.of == "difference" else abs(value - real)


def _holds(target: Target, value: float) -> bool:
    if target.relation == "<=":
        return value <= target.bound
    return value >= target.bound if target.relation == ">=" else value > target.bound


def targets_markdown(targets: tuple[Judged, ...]) -> str:
    """The targets as a table."""
    rows = [
        f"| {one.text} | {one.arm} | {'-' if one.value is None else f'{one.value:.5f}'} | {one.seeds} | {one.status} |"
        for one in targets
    ]
    head = "| target | arm | mean | seeds | |\n| --- | --- | ---: | ---: | --- |"
    return "\n".join([head, *rows])
