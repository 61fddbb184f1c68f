"""What a table of ICU stays contains: its columns, their types, units and bounds, and its labels."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from model.spec.base import Spec
from model.spec.binning import Aggregate, Binning
from model.spec.codes import Codes, LabelCodes

MAX_NAME_LENGTH = 128
MAX_SEQUENCE_LENGTH = 2000
MAX_CATEGORIES = 64
SHOWN_AS_IT_IS = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]*$"
"""No control characters, nor those that cannot be seen or turn around what follows; joiners are letters' own."""


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("a name must be printable text without surrounding blanks")
    return name


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(_printable)]
Category = Annotated[str, Field(max_length=MAX_NAME_LENGTH, pattern=SHOWN_AS_IT_IS)]


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise ValueError(f"named twice: {', '.join(sorted(repeated))}")
    return values


class NumericalFeature(Spec):
    """A measured quantity; values outside [min, max] are clipped on reading, and counted.

    A `static` feature has one value in a stay; where a row lacks it, it is that of the other rows. `aggregate` says
    what becomes of several values in one step of the schema's binning, if not what its own says.
    """

    type: Literal["numerical"] = "numerical"
    name: Name
    unit: str | None = Field(None, max_length=MAX_NAME_LENGTH)
    min: float | None = None
    max: float | None = None
    static: bool = Field(False, description="constant within a stay, such as the age on admission")
    aggregate: Aggregate | None = None
    codes: Codes | None = None

    @model_validator(mode="after")
    def _bounds_in_order(self) -> NumericalFeature:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"feature '{self.name}': min {self.min} is not below max {self.max}")
        return self


class CategoricalFeature(Spec):
    """A quantity with a fixed list of values, written as text whatever the type of their column.

    A `static` feature has one value in a stay; where a row lacks it, it is that of the other rows.
    """

    type: Literal["categorical"] = "categorical"
    name: Name
    categories: Annotated[tuple[Category, ...], Field(min_length=1, max_length=MAX_CATEGORIES), AfterValidator(_unique)]
    static: bool = Field(False, description="constant within a stay, such as the unit")
    codes: Codes | None = None


Feature = Annotated[NumericalFeature | CategoricalFeature, Field(discriminator="type")]


class Label(Spec):
    """A property of a whole stay whose ratio can be asked for: constant in a stay, never missing."""

    name: Name
    categories: Annotated[tuple[Category, ...], Field(min_length=2, max_length=MAX_CATEGORIES), AfterValidator(_unique)]
    codes: LabelCodes | None = None

    @model_validator(mode="after")
    def _death_is_a_category(self) -> Label:
        death = self.codes.death if self.codes else None
        if death is not None and death not in self.categories:
            raise ValueError(f"label '{self.name}': codes.death '{death}' is none of its categories")
        return self


class Rule(NamedTuple):
    """`left operator right` between two numerical features, such as `dbp <= map`."""

    left: str
    operator: str
    right: str


def parse_rule(text: str) -> Rule:
    """Split `left <= right` (also <, >=, >) into its parts; ValueError if it is not of that form."""
    parts = [part.strip() for part in re.split("(<=|>=|<|>)", text)]
    if len(parts) != 3 or not parts[0] or not parts[2]:
        raise ValueError(f"rule '{text}' is not of the form 'left <= right'")
    return Rule(*parts)


class Schema(Spec):
    """A table in long form: one row per stay and time step, or rows at any time where there is a `binning`.

    `time` counts whole steps, or with a binning holds numbers or time stamps. `sequence_length` is the number of
    steps of every stay after reading: longer stays are cut, shorter ones filled with missing values. With
    `variable_length` they are left as they are: a stay ends with its last row, and how long stays last is learned and
    generated too. With `patient_id`, all stays of a patient stay on one side of the split between training and
    holdout.
    """

    stay_id: Name
    time: Name
    sequence_length: int = Field(ge=1, le=MAX_SEQUENCE_LENGTH)
    variable_length: bool = Field(False, description="a stay ends with its last row; absent rows at its end are none")
    patient_id: Name | None = None
    features: tuple[Feature, ...] = Field(min_length=1)
    labels: tuple[Label, ...] = ()
    rules: tuple[str, ...] = ()
    binning: Binning | None = None

    @model_validator(mode="after")
    def _names_are_unique(self) -> Schema:
        _unique(self.columns)
        return self

    @model_validator(mode="after")
    def _only_bins_are_aggregated(self) -> Schema:
        named = [feature.name for feature in self.numerical if feature.aggregate is not None]
        if named and self.binning is None:
            raise ValueError(f"feature '{named[0]}': an aggregate without a binning")
        return self

    @model_validator(mode="after")
    def _rules_name_numerical_features(self) -> Schema:
        known = {feature.name for feature in self.numerical}
        for text in self.rules:
            rule = parse_rule(text)
            unknown = {rule.left, rule.right} - known
            if unknown:
                raise ValueError(f"rule '{text}': no numerical feature '{min(unknown)}'")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all the columns that this schema reads."""
        keys = (self.stay_id, self.time, *((self.patient_id,) if self.patient_id else ()))
        return (*keys, *(f.name for f in self.features), *(label.name for label in self.labels))

    @property
    def numerical(self) -> tuple[NumericalFeature, ...]:
        """The numerical features, in the order of `features`."""
        return tuple(f for f in self.features if isinstance(f, NumericalFeature))

    @property
    def categorical(self) -> tuple[CategoricalFeature, ...]:
        """The categorical features, in the order of `features`."""
        return tuple(f for f in self.features if isinstance(f, CategoricalFeature))
