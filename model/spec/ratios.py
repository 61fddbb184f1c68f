"""The label ratios that a cohort is asked to have, parsed and checked against a schema."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from model.spec.base import Spec
from model.spec.errors import RatioError
from model.spec.schema import Label, Schema

TOLERANCE = 1e-6
MAX_COMBINATIONS = 1 << 20  # of the labels that strata name: all are counted

Ratio = Annotated[float, Field(ge=0, le=1)]
Marginal = Literal["balanced"] | dict[str, Ratio]


class Stratum(Spec):
    """A combination of label categories and the share of the cohort that shall have it."""

    labels: dict[str, str] = Field(min_length=1)
    ratio: Ratio


LabelRatios = (
    Literal["balanced"]
    | Annotated[dict[str, Marginal], Field(min_length=1)]
    | Annotated[tuple[Stratum, ...], Field(min_length=1)]
)


def find_label(schema: Schema, name: str) -> Label:
    """The label called `name`; RatioError if the schema has none of that name."""
    for label in schema.labels:
        if label.name == name:
            return label
    known = ", ".join(label.name for label in schema.labels) or "none"
    raise RatioError(f"unknown label '{name}'; the model's labels: {known}")


def check_ratios(ratios: LabelRatios | None, schema: Schema) -> None:
    """Raise RatioError, naming the culprit, unless `schema` can satisfy `ratios`."""
    if ratios is None:
        return
    if isinstance(ratios, tuple):
        _check_strata(ratios, schema)
    else:
        for name, marginal in fixed_marginals(ratios, schema).items():
            _check_sum(marginal.values(), f"label '{name}'")


def fixed_marginals(
    ratios: Literal["balanced"] | Mapping[str, Marginal], schema: Schema
) -> dict[str, dict[str, float]]:
    """Label -> category -> ratio, with `balanced` spelled out and every category of a named label present."""
    if isinstance(ratios, str):
        ratios = {_only_label(schema): ratios}
    return {name: _spelled_out(find_label(schema, name), marginal) for name, marginal in ratios.items()}


def _only_label(schema: Schema) -> str:
    if len(schema.labels) != 1:
        names = ", ".join(label.name for label in schema.labels) or "none"
        raise RatioError(
            f"'balanced' needs a model with exactly one label; this one has: {names}. "
            'Name the label, as in {"<label>": "balanced"}'
        )
    return schema.labels[0].name


def _spelled_out(label: Label, marginal: Marginal) -> dict[str, float]:
    if isinstance(marginal, str):
        return dict.fromkeys(label.categories, 1 / len(label.categories))
    for category in marginal:
        check_category(label, category)
    return {category: marginal.get(category, 0.0) for category in label.categories}


def check_category(label: Label, category: str) -> None:
    """Raise RatioError unless `label` has `category`."""
    if category not in label.categories:
        raise RatioError(f"label '{label.name}': unknown category '{category}'; known: {', '.join(label.categories)}")


def _check_strata(strata: tuple[Stratum, ...], schema: Schema) -> None:
    names = set(strata[0].labels)
    if math.prod(len(find_label(schema, name).categories) for name in names) > MAX_COMBINATIONS:
        raise RatioError(f"the labels of the strata have more than {MAX_COMBINATIONS} combinations: too many to count")
    seen: set[tuple[tuple[str, str], ...]] = set()
    for number, stratum in enumerate(strata):
        if set(stratum.labels) != names:
            raise RatioError(f"stratum {number} names other labels than stratum 0; all must name the same")
        for name, category in stratum.labels.items():
            check_category(find_label(schema, name), category)
        key = tuple(sorted(stratum.labels.items()))
        if key in seen:
            raise RatioError(f"stratum {number} repeats an earlier combination of labels")
        seen.add(key)
    _check_sum((stratum.ratio for stratum in strata), "the strata")


def _check_sum(ratios: Iterable[float], what: str) -> None:
    total = math.fsum(ratios)
    if abs(total - 1) > TOLERANCE:
        raise RatioError(f"the ratios of {what} sum to {total:g}, not to 1")
