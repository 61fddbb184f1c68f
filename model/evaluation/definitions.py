"""Every figure of the report in a reader's words: what it is called, what it means, when it is good."""

from __future__ import annotations

from typing import NamedTuple

from model.spec.report import Better, Group, MetricName, Verdict


class Definition(NamedTuple):
    """`near` and `far`: a figure worse than the real holdout's by no more than these is like real, is close."""

    title: str
    group: Group
    ideal: float
    better: Better
    near: float
    far: float
    weight: int  # about the seconds that it takes, for the progress bar
    meaning: str


DISTANCE = "0 is the same"
GUESSING = "0.5 is guessing: it cannot tell; 1 is always right"

DEFINITIONS: dict[MetricName, Definition] = {
    "marginal_ks": Definition(
        "Single values (KS)", "values", 0, "lower", 0.03, 0.10, 1,
        f"largest difference in the share of values below any threshold, averaged over the features; {DISTANCE}",
    ),
    "total_variation": Definition(
        "Categories, missingness (TVD)", "values", 0, "lower", 0.015, 0.05, 1,
        f"share of entries that would have to change to make categories, and measurements, as frequent; {DISTANCE}",
    ),
    "correlation_mae": Definition(
        "Relations (Corr MAE)", "values", 0, "lower", 0.02, 0.08, 1,
        f"average difference between the correlations of any two features; {DISTANCE}",
    ),
    "transition_distance": Definition(
        "Step-to-step changes (Trans)", "course", 0, "lower", 0.03, 0.12, 1,
        f"how differently categories, and what is measured, change from one time step to the next; {DISTANCE}",
    ),
    "acf_mse": Definition(
        "Inertia (ACF MSE)", "course", 0, "lower", 0.001, 0.01, 1,
        f"difference in how strongly a value resembles the values some steps earlier; {DISTANCE}",
    ),
    "mmd": Definition(
        "Whole stays (MMD)", "likeness", 0, "lower", 0.02, 0.08, 2,
        "distance between the two sets of whole stays; sampling alone makes it larger than 0, so compare with real",
    ),
    "c2st_logistic": Definition(
        "Logistic regression (C2ST)", "likeness", 0.5, "closer to 0.5", 0.05, 0.15, 1,
        f"how often a linear model ranks a synthetic stay as more synthetic than a real one; {GUESSING}",
    ),
    "c2st_mlp": Definition(
        "Neural network (C2ST MLP)", "likeness", 0.5, "closer to 0.5", 0.05, 0.15, 3,
        f"the same with a neural network that sees all time steps at once; {GUESSING}",
    ),
    "c2st_lstm": Definition(
        "Sequence network (C2ST LSTM)", "likeness", 0.5, "closer to 0.5", 0.05, 0.15, 12,
        f"the same with a network that reads the stay step by step, the sharpest of the three; {GUESSING}",
    ),
    "tstr": Definition(
        "Learned from synthetic (TSTR)", "usefulness", 1, "higher", 0.03, 0.08, 20,
        "AUC on real stays of a network that learned from synthetic stays only; beside it, learned from real stays",
    ),
    "trtr": Definition(
        "Learned from real (TRTR)", "usefulness", 1, "higher", 0.03, 0.08, 20,
        "AUC on real stays of the same network when it learned from as many real training stays",
    ),
}  # fmt: skip

QUESTIONS: dict[Group, str] = {
    "values": "Do values look right?",
    "course": "Does the course over time look right?",
    "likeness": "Can a program tell synthetic stays from real ones?",
    "usefulness": "Can a risk model learn from them?",
}
VERDICTS: dict[Verdict, str] = {
    "like_real": "like real stays",
    "close": "close to real stays",
    "different": "different from real stays",
}


def verdict(name: MetricName, value: float, holdout_value: float | None) -> Verdict | None:
    """How `value` compares with what real stays score; where that is not known, with an ideal that can be reached."""
    definition = DEFINITIONS[name]
    if holdout_value is None and definition.group == "usefulness":
        return None
    floor = definition.ideal if holdout_value is None else holdout_value
    if definition.better == "closer to 0.5":
        excess = abs(value - 0.5) - max(floor - 0.5, 0.0)  # below .5 is chance: it excuses nothing
    elif definition.better == "higher":
        excess = floor - value
    else:
        excess = value - floor
    if excess <= definition.near:
        return "like_real"
    return "close" if excess <= definition.far else "different"
