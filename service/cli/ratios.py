"""Label ratios as they are written on a command line."""

from __future__ import annotations

from collections.abc import Sequence

from model.spec.errors import RatioError
from model.spec.ratios import LabelRatios, Marginal

EXAMPLE = "in_hospital_death=1:0.3,0:0.7"


def parse_ratios(texts: Sequence[str]) -> LabelRatios | None:
    """`label=category:ratio,category:ratio` or `label=balanced` per label, or `balanced` alone; None if there is none.

    RatioError on anything else. Whether labels and categories exist is for the model's schema to say.

    >>> parse_ratios(["in_hospital_death=1:0.3,0:0.7"])
    {'in_hospital_death': {'1': 0.3, '0': 0.7}}
    """
    if not texts:
        return None
    if list(texts) == ["balanced"]:
        return "balanced"
    ratios: dict[str, Marginal] = {}
    for text in texts:
        label, equals, marginal = text.partition("=")
        if not (label and equals and marginal):
            raise RatioError(f"cannot read the ratio '{text}': write it like {EXAMPLE}, or balanced")
        if label in ratios:
            raise RatioError(f"label '{label}' is given twice: write all its categories in one --ratio, like {EXAMPLE}")
        ratios[label] = "balanced" if marginal == "balanced" else _marginal(text, marginal)
    return ratios


def _marginal(text: str, marginal: str) -> dict[str, float]:
    ratios: dict[str, float] = {}
    for part in marginal.split(","):
        category, colon, ratio = part.rpartition(":")
        if not colon or category in ratios:
            raise RatioError(f"cannot read '{part}' in '{text}': write it like {EXAMPLE}")
        try:
            ratios[category] = float(ratio)
        except ValueError:
            raise RatioError(f"'{ratio}' in '{text}' is not a number") from None
    return ratios
