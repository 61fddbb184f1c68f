"""What a report's sections show of the real stays, kept for when these are gone."""

from __future__ import annotations

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.features import Deviations, deviations
from model.evaluation.lengths import real_lengths
from model.evaluation.projection import Map, training_map
from model.evaluation.rules import rule_reports
from model.evaluation.view import View
from model.spec.base import Spec
from model.spec.figures import FeatureReport, RuleReport, Side


class Portrait(Spec):
    """Aggregates of the training stays, and rules also of the holdout. Nothing in it rests on fewer than 11 stays.

    `deviations` are standard deviations of the measured values of the numerical features; `length` is told where stays
    may end early.
    """

    deviations: Deviations
    rules: tuple[RuleReport, ...]
    map: Map | None
    length: FeatureReport | None = None


def portrait(train: View, holdout: View | None, codec: Codec) -> Portrait:
    """The portrait of real stays."""
    tables: dict[Side, Stays] = {"training": train.stays}
    if holdout is not None:
        tables["holdout"] = holdout.stays
    return Portrait(
        deviations=deviations(train.stays),
        rules=rule_reports(tables, codec.schema),
        map=training_map(train.table),
        length=real_lengths(train.stays, None if holdout is None else holdout.stays, codec.schema),
    )
