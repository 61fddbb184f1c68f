"""Every figure of the report in a reader's words: what it is called, what it means, when it is good."""

from __future__ import annotations

from typing import NamedTuple

from model.spec.report import Better, Classifier, Group, MetricName, Verdict


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
    "exact_copies": Definition(
        "Copies of patients", "privacy", 0, "lower", 0.0, 0.001, 1,
        "share of synthetic stays that repeat a training patient's stay, beyond what two real patients do by chance",
    ),
    "near_copies": Definition(
        "Near copies of patients", "privacy", 0, "lower", 0.002, 0.01, 2,
        "share of synthetic stays that lie much closer to one training patient than to any other, beyond real stays'",
    ),
    "dcr_share": Definition(
        "Closer to training patients (DCR)", "privacy", 0.5, "lower", 0.02, 0.05, 2,
        "share of synthetic stays whose closest real stay is one that was trained on, not one put aside; 0.5 is chance",
    ),
    "dcr_tail_share": Definition(
        "The closest stays (DCR, closest 5 %)", "privacy", 0.5, "lower", 0.05, 0.15, 1,
        "the same among the synthetic stays that come closest to a real one, where copies would be; 0.5 is chance",
    ),
    "nndr": Definition(
        "One patient or several (NNDR)", "privacy", 1, "higher", 0.02, 0.05, 1,
        "distance to the closest real patient over that to the next ones: near 1: no patient stands out; 0: a copy",
    ),
    "nnaa_loss": Definition(
        "Privacy loss (NNAA)", "privacy", 0, "lower", 0.02, 0.05, 2,
        "how much better synthetic stays hide among the training patients than among patients never seen; 0 is no loss",
    ),
    "membership_auc": Definition(
        "Who was trained on? (MIA)", "privacy", 0.5, "lower", 0.02, 0.05, 1,
        "how often an attacker with a patient's full record is right that it was in the training data; 0.5 is guessing",
    ),
    "membership_density_auc": Definition(
        "Who was trained on? (MIA, density ratio)", "privacy", 0.5, "lower", 0.02, 0.05, 2,
        "the same for an attacker who also holds other real patients' records to compare with; 0.5 is guessing",
    ),
    "membership_excess": Definition(
        "Patients named for sure (MIA, 1 %)", "privacy", 0, "lower", 0.005, 0.02, 1,
        "share of training patients that the attacker names at 1 % false alarms, beyond that 1 %; 0 is guessing",
    ),
    "attribute_gain": Definition(
        "Secrets given away (AIA)", "privacy", 0, "lower", 0.03, 0.08, 2,
        "how much better the label of a training patient is guessed from the cohort than that of a patient never seen",
    ),
    "marginal_ks": Definition(
        "Single values (KS)", "values", 0, "lower", 0.03, 0.10, 1,
        f"largest difference in the share of values below a threshold (on 40 bins), averaged over features; {DISTANCE}",
    ),
    "wasserstein": Definition(
        "Single values (Wasserstein)", "values", 0, "lower", 0.03, 0.10, 1,
        f"how far values would have to be moved, in standard deviations, averaged over the features; {DISTANCE}",
    ),
    "total_variation": Definition(
        "Categories, missingness (TVD)", "values", 0, "lower", 0.015, 0.05, 1,
        f"share of entries that would have to change to make categories, and measurements, as frequent; {DISTANCE}",
    ),
    "conditional_distance": Definition(
        "Values within each outcome", "values", 0, "lower", 0.03, 0.10, 1,
        f"the distances of single values among stays of the same label, averaged over categories; {DISTANCE}",
    ),
    "tails": Definition(
        "Extreme values (p0.1, p99.9)", "values", 0, "lower", 0.25, 0.75, 1,
        f"how far the rarest low and high values are from the real ones, in standard deviations; {DISTANCE}",
    ),
    "correlation_mae": Definition(
        "Relations (Corr MAE)", "values", 0, "lower", 0.02, 0.08, 1,
        f"average difference between the correlations of any two features; {DISTANCE}",
    ),
    "rules": Definition(
        "Clinical rules", "values", 1, "higher", 0.005, 0.03, 1,
        "share of rows in which the schema's clinical rules hold (such as diastolic below systolic); 1 is always",
    ),
    "missing_rate_mae": Definition(
        "How often measured", "missingness", 0, "lower", 0.01, 0.05, 1,
        f"average difference in how often a feature is missing at a time step; {DISTANCE}",
    ),
    "missing_runs": Definition(
        "Length of gaps", "missingness", 0, "lower", 0.03, 0.10, 1,
        f"share of the gaps between measurements that would need another length; {DISTANCE}",
    ),
    "co_missingness": Definition(
        "Measured together", "missingness", 0, "lower", 0.02, 0.08, 1,
        f"average difference in how strongly two features are missing at the same moments; {DISTANCE}",
    ),
    "transition_distance": Definition(
        "Step-to-step changes (Trans)", "course", 0, "lower", 0.03, 0.12, 1,
        f"how differently categories, and what is measured, change from one time step to the next; {DISTANCE}",
    ),
    "acf_mse": Definition(
        "Inertia (ACF MSE)", "course", 0, "lower", 0.001, 0.01, 1,
        f"difference in how strongly a value resembles the values some steps earlier; {DISTANCE}",
    ),
    "dtw": Definition(
        "Shape of the course (DTW)", "course", 0, "lower", 0.03, 0.10, 4,
        "distance from a stay's course to the most similar real one, small shifts in time allowed; compare with real",
    ),
    "stay_length": Definition(
        "Length of stay (KS)", "course", 0, "lower", 0.03, 0.10, 1,
        f"largest difference in the share of stays that have ended by a time step; {DISTANCE}",
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
        "Neural network (C2ST MLP)", "likeness", 0.5, "closer to 0.5", 0.05, 0.15, 2,
        f"the same with a neural network that sees all time steps at once; {GUESSING}",
    ),
    "c2st_lstm": Definition(
        "Sequence network (C2ST LSTM)", "likeness", 0.5, "closer to 0.5", 0.05, 0.15, 8,
        f"the same with a network that reads steps and changes in turn, the sharpest of the three; {GUESSING}",
    ),
    "tstr": Definition(
        "Learned from synthetic (TSTR)", "usefulness", 1, "higher", 0.03, 0.08, 2,
        "AUC on real stays of a network that learned from synthetic stays only; beside it, learned from real stays",
    ),
    "trtr": Definition(
        "Learned from real (TRTR)", "usefulness", 1, "higher", 0.03, 0.08, 2,
        "AUC on real stays of the same network when it learned from as many real training stays",
    ),
    "trts": Definition(
        "Learned from real, asked about synthetic (TRTS)", "usefulness", 1, "higher", 0.03, 0.08, 1,
        "AUC on the synthetic labels of the network that learned from real stays: below real, the label's signal is "
        "weaker in the synthetic stays; far above, it is exaggerated",
    ),
    "augmentation": Definition(
        "Gain from added synthetic stays (T(S+R)TR)", "usefulness", 0, "higher", 0.01, 0.03, 30,
        "mean rise of the AUC on real stays when synthetic stays are added to the real ones; above 0 they help",
    ),
}  # fmt: skip

QUESTIONS: dict[Group, str] = {
    "privacy": "Is it too close to real patients?",
    "values": "Do values look right?",
    "missingness": "Is what was measured, and when, like real?",
    "course": "Does the course over time look right?",
    "likeness": "Can a program tell synthetic stays from real ones?",
    "usefulness": "Can a risk model learn from them?",
}
VERDICTS: dict[Verdict, str] = {
    "like_real": "like real stays",
    "close": "close to real stays",
    "different": "different from real stays",
}
PRIVACY_VERDICTS: dict[Verdict, str] = {
    "like_real": "no closer than real patients are to each other",
    "close": "a little closer than real patients are to each other",
    "different": "too close to real patients",
}
CLASSIFIERS: dict[Classifier, str] = {"bilstm": "BiLSTM", "transformer": "Transformer", "cnn_lstm": "CNN-LSTM"}


def verdict_words(group: Group, found: Verdict) -> str:
    """The verdict in the words of its group: a cohort is *different from* real stays, but *too close to* patients."""
    return (PRIVACY_VERDICTS if group == "privacy" else VERDICTS)[found]


def verdict(
    name: MetricName,
    value: float,
    holdout_value: float | None,
    *,
    gate_low: float | None = None,
    threshold: float | None = None,
) -> Verdict | None:
    """How `value` compares with what real stays score; where that is not known, with an ideal that can be reached.

    A test of the privacy gate (it has a `threshold`) is "different" exactly where the gate holds the cohort: where
    the lower bound `gate_low` is above the threshold.
    """
    definition = DEFINITIONS[name]
    if name == "trtr" or (holdout_value is None and definition.group == "usefulness"):
        return None
    excess = _excess(definition, value, holdout_value)
    if threshold is not None and (value if gate_low is None else gate_low) > threshold:
        return "different"
    if excess <= definition.near:
        return "like_real"
    return "close" if excess <= definition.far or threshold is not None else "different"


def _excess(definition: Definition, value: float, holdout_value: float | None) -> float:
    """How much worse than real stays; negative: better."""
    floor = definition.ideal if holdout_value is None else holdout_value
    if definition.better == "closer to 0.5":
        return abs(value - 0.5) - max(floor - 0.5, 0.0)  # below .5 is chance: it excuses nothing
    return floor - value if definition.better == "higher" else value - floor
