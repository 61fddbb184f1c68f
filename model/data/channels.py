"""The categorical channels that a network sees: features, marks of what was measured, labels, and the end of a stay."""

from __future__ import annotations

from typing import Literal, NamedTuple

from model.data.codec_state import CategoricalState, CodecState
from model.spec.schema import CategoricalFeature

MARK_CATEGORIES = ("missing", "measured")
MEASURED = 1
IN_STAY_CATEGORIES = ("ended", "in the stay")
IN_STAY = 1


class Channel(NamedTuple):
    """One categorical channel of the model; `missing_code` is the code of "missing" in a feature that has it.

    `static`: a feature that is constant within a stay, or the mark of one. `in_stay` says until when a stay lasts.
    """

    name: str
    kind: Literal["feature", "mark", "label", "in_stay"]
    categories: tuple[str, ...]
    missing_code: int | None = None
    static: bool = False


def channels_of(state: CodecState) -> tuple[Channel, ...]:
    """All channels of the data that a codec describes, in the order of `Encoded.categorical`."""
    schema = state.data_schema
    features = [_feature_channel(f, s) for f, s in zip(schema.categorical, state.categorical, strict=True)]
    marks = [Channel(f"{f.name} measured", "mark", MARK_CATEGORIES, static=f.static) for f in schema.numerical]
    labels = [Channel(label.name, "label", label.categories) for label in schema.labels]
    ends = [Channel("in the stay", "in_stay", IN_STAY_CATEGORIES)] if schema.variable_length else []
    return (*features, *marks, *labels, *ends)


def _feature_channel(feature: CategoricalFeature, state: CategoricalState) -> Channel:
    if not state.has_missing:
        return Channel(state.name, "feature", feature.categories, static=feature.static)
    word = "missing"
    while word in feature.categories:
        word = f"({word})"
    code = len(feature.categories)
    return Channel(state.name, "feature", (*feature.categories, word), missing_code=code, static=feature.static)
