"""The top of the page: the privacy gate, and one line per question."""

from __future__ import annotations

from typing import NamedTuple

from model.evaluation.definitions import CLASSIFIERS, QUESTIONS, verdict_words
from model.evaluation.page.sentences import in_words
from model.evaluation.page.text import about, figure, sentence
from model.spec.figures import LabelReport
from model.spec.privacy import HeldTest, PrivacyStatus
from model.spec.report import Group, MetricName, Report, Score, Verdict

ORDER: tuple[Verdict, ...] = ("like_real", "close", "different")
LEADING: dict[Group, tuple[MetricName, ...]] = {
    "privacy": ("dcr_share", "membership_auc", "near_copies", "exact_copies"),
    "values": ("marginal_ks", "total_variation", "correlation_mae"),
    "missingness": ("missing_rate_mae", "missing_runs", "co_missingness"),
    "course": ("dtw", "transition_distance", "acf_mse", "stay_length"),
    "likeness": ("c2st_lstm", "c2st_mlp", "c2st_logistic", "mmd"),
    "usefulness": ("tstr", "augmentation", "trts"),
}
"""The figures that stand for their question at the top: the first of them that could be computed."""
GATE: dict[PrivacyStatus, str] = {"passed": "Passed", "held": "Held back", "not_evaluated": "Not evaluated"}
GATE_LOOKS: dict[PrivacyStatus, Verdict | None] = {"passed": "like_real", "held": "different", "not_evaluated": None}


MAX_NAMED = 3


class Answer(NamedTuple):
    """One line at the top. `verdict` is that of the worst figure under the question; None: there is none."""

    group: Group
    question: str
    verdict: Verdict | None
    words: str
    lead: Score | None
    floor: Score | None  # what real stays score, where it is a figure with an interval of its own
    meaning: str
    worst: str


class Gate(NamedTuple):
    """The privacy gate's verdict in one sentence, and the failed tests: the main ones, and the others."""

    reason: str
    named: tuple[HeldTest, ...]
    others: tuple[HeldTest, ...]


class Row(NamedTuple):
    """A category of a label: stays asked for and obtained, and shares of all stays."""

    category: str
    asked: int | None
    obtained: int
    share: float
    training: float | None


def answers(report: Report) -> list[Answer]:
    """A line for each question of which a figure was asked for; privacy always."""
    lines = []
    for group in QUESTIONS:
        scores = [score for score in report.scores if score.group == group and score.name != "trtr"]
        if group == "privacy":
            lines.append(_privacy(report, scores))
        elif scores:
            lines.append(_answer(report, group, scores))
    return lines


def gate_of(report: Report) -> Gate:
    """Each failed test once: those on all stays first, where there are any; those that the reason names in a list."""
    privacy = report.privacy
    if not privacy.failed:
        return Gate(privacy.reason, (), ())
    named = [test for test in privacy.failed if test.detail in privacy.reason] or list(privacy.failed[:MAX_NAMED])
    others = tuple(test for test in privacy.failed if test not in named)
    reason = privacy.reason
    for test in named:
        reason = reason.replace(test.detail, "")
    return Gate(reason.partition(":")[0] if reason != privacy.reason else reason, tuple(named), others)


def label_rows(label: LabelReport) -> list[Row]:
    """The categories of a label with what was asked for and what was obtained."""
    total = max(sum(label.obtained.values()), 1)
    asked, training = label.asked or {}, label.training_shares or {}
    return [Row(name, asked.get(name), n, n / total, training.get(name)) for name, n in label.obtained.items()]


def worst_of(scores: list[Score]) -> Verdict | None:
    """The worst verdict; None where there is none."""
    return max((score.verdict for score in scores if score.verdict), key=ORDER.index, default=None)


def _privacy(report: Report, scores: list[Score]) -> Answer:
    """The gate's verdict; the figures of whole stays, or the first failed test.

    Among dozens of figures of single vitals some are a little high by chance, so these do not colour a pass.
    """
    status, reason = report.privacy.status, sentence(report.privacy.reason)
    known = [score for score in scores if score.status == "ok"]
    if status == "held":
        lead = next((score for score in known if score.threshold is not None and score.verdict == "different"), None)
        meaning = reason if lead is None else in_words(lead)
        return Answer("privacy", QUESTIONS["privacy"], "different", "held back", lead, None, meaning, "")
    whole = _whole(known)
    lead = _lead("privacy", whole) if status == "passed" else None
    if lead is None:
        return Answer("privacy", QUESTIONS["privacy"], GATE_LOOKS[status], GATE[status].lower(), None, None, reason, "")
    closest = verdict_words("privacy", "like_real" if worst_of(whole) in (None, "like_real") else "close")
    return Answer(
        "privacy",
        QUESTIONS["privacy"],
        "like_real",
        f"passed: {closest}",
        lead,
        None,
        in_words(lead),
        _worst(whole, lead),
    )


def _answer(report: Report, group: Group, scores: list[Score]) -> Answer:
    found, lead = worst_of(scores), _lead(group, _whole(scores))
    if lead is None:
        reason = next((score.reason for score in scores if score.reason), "")
        return Answer(group, QUESTIONS[group], None, "not available", None, None, sentence(reason), "")
    words = verdict_words(group, found) if found else "no verdict"
    return Answer(
        group, QUESTIONS[group], found, words, lead, _floor(report, lead), in_words(lead), _worst(scores, lead)
    )


def _whole(scores: list[Score]) -> list[Score]:
    return [score for score in scores if score.status == "ok" and score.feature is None and score.category is None]


def _lead(group: Group, scores: list[Score]) -> Score | None:
    """The figure that stands for its group: of several labels, the worst."""
    for name in LEADING[group]:
        named = [score for score in scores if score.name == name and score.classifier in (None, "bilstm")]
        if named:
            return max(named, key=_badness)
    return scores[0] if scores else None


def _badness(score: Score) -> int:
    return -1 if score.verdict is None else ORDER.index(score.verdict)


def _floor(report: Report, lead: Score) -> Score | None:
    """TRTR beside TSTR: what real stays score, with an interval."""
    if lead.name != "tstr":
        return None
    same = (lead.label, lead.classifier)
    trtr = [score for score in report.scores if score.name == "trtr" and (score.label, score.classifier) == same]
    return trtr[0] if trtr and trtr[0].status == "ok" else None


def _worst(scores: list[Score], lead: Score) -> str:
    """Names the figure that is worse than the one in the line."""
    worse = [score for score in scores if score.status == "ok" and _badness(score) > max(_badness(lead), 0)]
    if not worse:
        return ""
    worst = max(worse, key=_badness)
    kind = CLASSIFIERS[worst.classifier] if worst.classifier else ""
    what = ", ".join(part for part in (worst.title, about(worst), kind) if part)
    real = f", real {figure(worst.holdout_value, worst.name)}" if worst.holdout_value is not None else ""
    others = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
    return f"Worse under this question: {what} {figure(worst.value, worst.name)}{real}{others}."
