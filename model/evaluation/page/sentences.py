"""What a figure means, in a clinician's words: each says it for the value that was found."""

from __future__ import annotations

from collections.abc import Callable

from model.evaluation.page.text import sentence, told
from model.spec.report import MetricName, Score

Words = Callable[[Score, float], str]


def in_words(score: Score) -> str:
    """One or two sentences on a score that has a value; on another, why it has none."""
    if score.value is None:
        return sentence(score.reason or "not available")
    words = _SENTENCES.get(score.name)
    return sentence(words(score, score.value) if words else score.meaning)


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}"


def _per_1000(share: float) -> str:
    if share <= 0:
        return "no"
    return "1,000 in 1,000" if share >= 0.9995 else f"{max(1000 * share, 0.1):.3g} in 1,000"


def _points(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"


def _beside(score: Score) -> str:
    return "" if score.holdout_value is None else f" (among real stays {_points(score.holdout_value)})"


def _closer(score: Score, value: float) -> str:
    whose = (
        "the synthetic stays that come closest to a patient" if score.name == "dcr_tail_share" else "synthetic stays"
    )
    return (
        f"Of 100 {whose}, {_of_100(value)} lie closer to a patient the model learned from than to one it never saw; "
        "50 would be chance"
    )


def _member(score: Score, value: float) -> str:
    helped = ", with other patients' records to compare," if score.name == "membership_density_auc" else ""
    return (
        f"Given one patient of the training data and one other, an attacker{helped} points to the first "
        f"{_of_100(value)} times in 100; 50 would be guessing"
    )


def _copies(score: Score, value: float) -> str:
    near = score.name == "near_copies"
    if value <= 0:
        does = "clings to a single patient" if near else "repeats a training patient's stay"
        return f"Beyond what real stays do among themselves, no synthetic stay {does}"
    does = "cling to a single patient" if near else "repeat a training patient's stay"
    return f"Beyond what real stays do among themselves, {_per_1000(value)} synthetic stays {does}"


def _named(_: Score, value: float) -> str:
    return f"An attacker who accepts 1 false alarm in 100 names {_per_1000(value)} training patients beyond chance"


def _secrets(score: Score, value: float) -> str:
    label = told(score.label) if score.label else "the label"
    gain = f"{_points(value)} points better than" if value > 0 else "no better than"
    return f"From the cohort, {label} of a training patient is guessed {gain} that of a patient never seen"


def _privacy_loss(_: Score, value: float) -> str:
    if value <= 0:
        return "Synthetic stays hide no better among the training patients than among patients never seen"
    return f"Synthetic stays hide {_points(value)} points better among the training patients than among others"


def _threshold(score: Score, value: float) -> str:
    return (
        f"At the worst threshold, the share of values below it is off by {_points(value)} percentage points"
        f"{_beside(score)}, averaged over the features"
    )


def _entries(score: Score, value: float) -> str:
    return f"Of 100 entries, {_points(value)} would have to change to be as frequent as in real stays{_beside(score)}"


def _missing(score: Score, value: float) -> str:
    return (
        f"At a given time step, the share of missing values is off by {_points(value)} percentage points"
        f"{_beside(score)}, averaged over the features"
    )


def _gaps(score: Score, value: float) -> str:
    return f"Of 100 gaps between measurements, {_points(value)} would need another length{_beside(score)}"


def _changes(score: Score, value: float) -> str:
    return f"Of 100 steps from one time to the next, {_points(value)} would have to go elsewhere{_beside(score)}"


def _shape(score: Score, value: float) -> str:
    floor = score.holdout_value
    if not floor:
        return score.meaning
    farther = value / floor - 1
    compared = f"{100 * farther:.0f} % farther than" if farther >= 0.005 else "no farther than"
    return (
        f"The course of a synthetic stay is {compared} that of another real patient from the most similar real course"
    )


def _told_apart(_: Score, value: float) -> str:
    return (
        "Shown one synthetic and one real stay, a program that has seen many points to the synthetic one "
        f"{_of_100(value)} times in 100; 50 would be guessing"
    )


def _learned(score: Score, value: float) -> str:
    beside = "" if score.holdout_value is None else f"; learned from real stays, {_of_100(score.holdout_value)} times"
    label = f" ({told(score.label)})" if score.label else ""
    return (
        f"Of two patients, one with the outcome{label} and one without, a risk model that learned from synthetic "
        f"stays alone puts the right one first {_of_100(value)} times in 100{beside}"
    )


def _gain(_: Score, value: float) -> str:
    change = "rises" if value >= 0 else "falls"
    return (
        f"When synthetic stays are added to the real ones, a risk model's AUC {change} by {abs(value):.3f} on average"
    )


_SENTENCES: dict[MetricName, Words] = {
    "dcr_share": _closer,
    "dcr_tail_share": _closer,
    "membership_auc": _member,
    "membership_density_auc": _member,
    "membership_excess": _named,
    "exact_copies": _copies,
    "near_copies": _copies,
    "attribute_gain": _secrets,
    "nnaa_loss": _privacy_loss,
    "marginal_ks": _threshold,
    "total_variation": _entries,
    "missing_rate_mae": _missing,
    "missing_runs": _gaps,
    "transition_distance": _changes,
    "dtw": _shape,
    "c2st_logistic": _told_apart,
    "c2st_mlp": _told_apart,
    "c2st_lstm": _told_apart,
    "tstr": _learned,
    "augmentation": _gain,
}
