"""Figures and names as a reader sees them: rounded, marked where there is none, safe in a line of other letters."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from pydantic import JsonValue

from model.spec.figures import Distribution, FeatureReport, Side
from model.spec.report import Score, Verdict

NOTHING = "\u2013"
LONGEST = 18
SIDES: tuple[Side, ...] = ("synthetic", "training", "holdout")
SIDE_NAMES: dict[Side, str] = {"synthetic": "synthetic", "training": "real, training", "holdout": "real, kept aside"}

_SHORT: dict[Verdict, str] = {"like_real": "like real", "close": "close to real", "different": "different"}
_PRIVACY: dict[Verdict, str] = {"like_real": "not too close", "close": "a little close", "different": "too close"}
_FEW_DIGITS = ("c2st", "tstr", "trtr", "trts", "membership_auc", "membership_density", "dcr", "nndr")


def figure(value: float | None, name: str = "") -> str:
    """A score's value: AUCs and shares near one half with three decimals, the others with four below 1.

    An ACF MSE is a square of small differences, and has six.
    """
    if value is None:
        return NOTHING
    if name == "acf_mse":
        return f"{value:.6f}"
    words = f"{value:.3f}" if name.startswith(_FEW_DIGITS) or abs(value) >= 1 else f"{value:.4f}"
    return minus(words)


def percent(share: float | None) -> str:
    """A share of 1 as 100.0 %."""
    return NOTHING if share is None else minus(f"{share:.1%}")


def count(n: int | None) -> str:
    """A number of things, with thousands apart."""
    return NOTHING if n is None else f"{n:,}"


def quantity(value: float | None) -> str:
    """A measured value, with four digits."""
    return NOTHING if value is None else minus(f"{value:.4g}")


def minus(words: str) -> str:
    """A number with a real minus sign, and none before a zero."""
    if words.startswith("-") and not words.strip("-0.%"):
        return words[1:]
    return words.replace("-", "\u2212", 1) if words.startswith("-") else words


def plain(value: JsonValue) -> str:
    """What was written down about how a cohort was made, as text."""
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def short(name: str, length: int = LONGEST) -> str:
    """A name of at most so many letters."""
    return name if len(name) <= length else name[: length - 1].rstrip() + "\u2026"


def told(name: str) -> str:
    """A name inside a sentence: letters that run from right to left keep to themselves (Unicode isolates)."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL", "AN", "RLE", "RLO", "RLI") for letter in name)
    return f"\u2068{name}\u2069" if turns else name


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentence(words: str) -> str:
    """With a capital, and a full stop."""
    words = words.strip()
    if not words:
        return ""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def about(score: Score) -> str:
    """What a score is about, where there are several of its name; empty otherwise."""
    stays = f"{score.label} = {score.category}" if score.label and score.category else score.label or score.category
    return ", ".join(told(part) for part in (stays, score.feature) if part)


def short_verdict(score: Score) -> str:
    """The verdict in a word or three, for a column of them."""
    if score.verdict is None:
        return "no verdict"
    return (_PRIVACY if score.group == "privacy" else _SHORT)[score.verdict]


def sides_of(feature: FeatureReport) -> list[tuple[Side, Distribution]]:
    """The sides on which a feature is known, synthetic first."""
    known = [(side, getattr(feature, side)) for side in SIDES]
    return [(side, one) for side, one in known if one is not None]


def likeness(distance: float | None) -> str:
    """How a difference between two distributions looks to the eye."""
    if distance is None:
        return "There is nothing to compare with"
    if distance < 0.03:
        return "The outlines lie on each other"
    return "The outlines are similar" if distance < 0.1 else "The outlines differ visibly"
