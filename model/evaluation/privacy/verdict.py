"""The gate's verdict: what a data steward needs to know before a cohort leaves."""

from __future__ import annotations

from collections.abc import Sequence

from model.evaluation.privacy.copies import CONTROL
from model.spec.privacy import HeldTest, PrivacyThresholds, PrivacyVerdict
from model.spec.report import PRIVACY_METRICS, MetricName, Score

COPIES: tuple[MetricName, ...] = ("exact_copies", "near_copies")
NECESSARY: tuple[MetricName, ...] = (*COPIES, "dcr_share", "dcr_tail_share", "membership_auc", "membership_excess")
NAMES: dict[str, str] = {
    "exact_copies": "exact copies of real stays",
    "near_copies": "near copies of real stays",
    "dcr_share": "distance to the closest record",
    "dcr_tail_share": "distance to the closest record, among the closest stays",
    "nnaa_loss": "nearest-neighbour adversarial accuracy",
    "membership_auc": "membership inference by distance",
    "membership_density_auc": "membership inference by density ratio",
    "membership_excess": "membership inference at 1 % false alarms",
    "attribute_gain": "inference of a label",
}
SETTINGS = {"exact_copies": "copies", "membership_density_auc": "membership_auc"}
MAX_NAMED = 3


def privacy_verdict(scores: Sequence[Score], *, thresholds: PrivacyThresholds) -> PrivacyVerdict:
    """Held where the lower bound of a test is above its threshold; `thresholds` overrule those of the scores.

    Otherwise "not_evaluated" where a necessary test was not asked for, where copies of whole stays could not be looked
    for (no real stays, or fewer than 50 synthetic ones), or where any test broke. Otherwise passed: the other tests
    may have been impossible, such as those that need a holdout, and the reason names the necessary ones among them. A
    score without a threshold of its own is no test of the gate.
    """
    tests = [score for score in scores if score.name in PRIVACY_METRICS and score.name in NAMES]
    gate = [score for score in tests if score.status == "ok" and score.threshold is not None]
    failed = tuple(_held(score, thresholds) for score in gate if _bound(score) > _threshold(score, thresholds))
    if failed:
        return PrivacyVerdict(status="held", reason=_why_held(failed), failed=failed, n_tests=len(gate))
    gap = _gap(tests)
    if gap:
        return PrivacyVerdict(status="not_evaluated", reason=gap, n_tests=len(gate))
    return PrivacyVerdict(status="passed", reason=_why_passed(gate, tests), n_tests=len(gate))


def _bound(score: Score) -> float:
    for bound in (score.gate_low, score.low, score.value):
        if bound is not None:
            return bound
    return 0.0


def _threshold(score: Score, thresholds: PrivacyThresholds) -> float:
    return float(getattr(thresholds, SETTINGS.get(score.name, score.name)))


def _held(score: Score, thresholds: PrivacyThresholds) -> HeldTest:
    about = _about(score)
    value, low, threshold = score.value or 0.0, _bound(score), _threshold(score, thresholds)
    subject = f"{NAMES[score.name]}{f' ({about})' if about else ''}"
    return HeldTest(
        name=score.name,
        about=about,
        value=value,
        low=low,
        threshold=threshold,
        detail=f"{subject}: {_number(score.name, value)}, at least {_number(score.name, low)}, where at most "
        f"{_number(score.name, threshold)} is allowed",
    )


def _about(score: Score) -> str | None:
    if score.category is not None:
        return f"stays with {score.label} = {score.category}"
    return score.feature or score.label


def _number(name: str, value: float) -> str:
    return f"{value:.2%}" if name in ("exact_copies", "near_copies", "membership_excess") else f"{value:.3f}"


def _why_held(failed: tuple[HeldTest, ...]) -> str:
    named = list(dict.fromkeys(test.name for test in sorted(failed, key=lambda test: test.about is not None)))
    words = "; ".join(next(test.detail for test in failed if test.name == name) for name in named[:MAX_NAMED])
    more = len(named) - MAX_NAMED
    others = f"; and {more} more" if more > 0 else ""
    return f"The stays are too close to real patients. {len(named)} of the tests failed: {words}{others}."


def _gap(tests: Sequence[Score]) -> str | None:
    """Why the verdict cannot be "passed", or None."""
    whole = _of_whole_stays(tests)
    absent = [name for name in NECESSARY if name not in whole]
    if absent:
        return f"The test on {NAMES[absent[0]]} was not asked for."
    for name in COPIES:
        if whole[name].status != "ok":
            return f"{NAMES[name].capitalize()} could not be looked for because {whole[name].reason}."
    broken = next((score for score in tests if score.status == "failed"), None)
    return None if broken is None else f"The test on {NAMES[broken.name]} broke: {broken.reason}."


def _of_whole_stays(tests: Sequence[Score]) -> dict[str, Score]:
    return {score.name: score for score in tests if score.category is None and score.feature is None}


def _why_passed(gate: Sequence[Score], tests: Sequence[Score]) -> str:
    if any(score.sample == CONTROL for score in gate):
        return "Passed as a control: these are the real holdout stays themselves, and no stays to give away."
    whole = _of_whole_stays(tests)
    untested = [name for name in NECESSARY if whole[name].status != "ok"]
    if all(test.name in COPIES for test in gate) and untested:
        reason = whole[untested[0]].reason
        return f"No more copies of real stays than allowed were found; nothing more could be tested because {reason}."
    words = f"None of {len(gate)} tests found the stays closer to real patients than is allowed"
    others = "; ".join(f"{NAMES[name]} ({whole[name].reason})" for name in untested)
    return f"{words}. Not tested: {others}." if others else f"{words}."
