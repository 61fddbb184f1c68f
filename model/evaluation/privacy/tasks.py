"""The privacy figures of a report, in turn: on whole stays, by label, and on the trajectories of single vitals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from model.evaluation.privacy import closest, copies, membership
from model.evaluation.privacy.space import PrivacySpace
from model.evaluation.privacy.view import View
from model.evaluation.space import Bools, Figure, NotAvailable, Tick, no_tick
from model.spec.figures import DistanceHistogram
from model.spec.privacy import PrivacyThresholds
from model.spec.report import MetricName

MIN_VITAL_STAYS = 100
MIN_LABEL_STAYS = 50


class PrivacyTask(NamedTuple):
    """One figure: its name, what it is about, and how it is computed (which raises NotAvailable where it cannot be)."""

    name: MetricName
    label: str | None
    category: str | None
    feature: str | None
    compute: Callable[[Tick], Figure]


def privacy_tasks(space: PrivacySpace) -> list[PrivacyTask]:
    """All figures. Whole stays come first, then the categories of labels that have enough stays, then the vitals."""
    thresholds = space.thresholds
    tasks = [PrivacyTask(name, None, None, None, compute) for name, compute in _whole(space, thresholds)]
    labels = space.schema.labels
    for k, label in enumerate(labels):
        n = len(label.categories)
        tasks.append(PrivacyTask("attribute_gain", label.name, None, None, _attribute(space, thresholds, k, n)))
    for k, label in enumerate(labels):
        for code, category in enumerate(label.categories):
            if _enough(space, k, code):
                computes = _by_label(space, thresholds, k, code)
                tasks += [PrivacyTask(name, label.name, category, None, compute) for name, compute in computes]
    for feature in space.schema.numerical:
        if space.whole is not None and space.n_synthetic:
            computes = _vital(space, thresholds, feature.name)
            tasks += [PrivacyTask(name, None, None, feature.name, compute) for name, compute in computes]
    return tasks


def distance_histograms(space: PrivacySpace, tick: Tick = no_tick) -> tuple[DistanceHistogram, ...]:
    """Distances to the closest record, of whole stays; empty where there is nothing to compare."""
    try:
        return (closest.histogram(space.view(), "Whole stays", tick=tick),)
    except NotAvailable:
        return ()


_Named = Iterator[tuple[MetricName, Callable[[Tick], Figure]]]


def _whole(space: PrivacySpace, limits: PrivacyThresholds) -> _Named:
    yield "exact_copies", lambda t: copies.exact_copies(space.view(), threshold=limits.copies, tick=t)
    yield "near_copies", lambda t: copies.near_copies(space.view(), threshold=limits.near_copies, scanned=True, tick=t)
    yield "dcr_share", lambda t: closest.dcr_share(space.view(), threshold=limits.dcr_share, tick=t)
    yield "dcr_tail_share", lambda t: closest.dcr_tail_share(space.view(), threshold=limits.dcr_tail_share, tick=t)
    yield "nndr", lambda t: closest.nndr(space.view(), tick=t)
    yield "nnaa_loss", lambda t: closest.nnaa_loss(space.view(), threshold=limits.nnaa_loss, tick=t)
    yield "membership_auc", lambda t: membership.membership_auc(space.view(), threshold=limits.membership_auc, tick=t)
    yield (
        "membership_density_auc",
        lambda t: membership.membership_density_auc(space.view(), threshold=limits.membership_auc, tick=t),
    )
    yield (
        "membership_excess",
        lambda t: membership.membership_excess(space.view(), threshold=limits.membership_excess, tick=t),
    )


def _attribute(space: PrivacySpace, limits: PrivacyThresholds, label: int, n: int) -> Callable[[Tick], Figure]:
    return lambda t: membership.attribute_gain(
        space.view(), label=label, n_categories=n, threshold=limits.attribute_gain, tick=t
    )


def _by_label(space: PrivacySpace, limits: PrivacyThresholds, label: int, code: int) -> _Named:
    about, who = (label, code), _of_category(space.view(), label, code)
    yield "exact_copies", lambda t: copies.exact_copies(space.view(), about=who, threshold=limits.copies, tick=t)
    yield (
        "near_copies",
        lambda t: copies.near_copies(space.view(), about=who, threshold=limits.near_copies, scanned=True, tick=t),
    )
    yield "dcr_share", lambda t: closest.dcr_share(space.view(), about=who, threshold=limits.dcr_share, tick=t)
    yield (
        "dcr_tail_share",
        lambda t: closest.dcr_tail_share(space.view(), about=who, threshold=limits.dcr_tail_share, tick=t),
    )
    yield (
        "membership_auc",
        lambda t: membership.membership_auc(space.view(), about=about, threshold=limits.membership_auc, tick=t),
    )
    yield (
        "membership_excess",
        lambda t: membership.membership_excess(space.view(), about=about, threshold=limits.membership_excess, tick=t),
    )


def _vital(space: PrivacySpace, limits: PrivacyThresholds, name: str) -> _Named:
    def view() -> View:
        found = space.view(name)
        n_real = len(found.train) + len(found.holdout)
        if min(n_real, len(found.synthetic)) < MIN_VITAL_STAYS:
            raise NotAvailable(f"fewer than {MIN_VITAL_STAYS} synthetic or real stays have a course of it")
        return found

    yield "exact_copies", lambda t: copies.exact_copies(view(), threshold=limits.copies, tick=t)
    yield "near_copies", lambda t: copies.near_copies(view(), threshold=limits.near_copies, scanned=False, tick=t)
    yield "dcr_share", lambda t: closest.dcr_share(view(), threshold=limits.dcr_share, tick=t)
    yield "dcr_tail_share", lambda t: closest.dcr_tail_share(view(), threshold=limits.dcr_tail_share, tick=t)
    yield "nndr", lambda t: closest.nndr(view(), tick=t)
    yield "nnaa_loss", lambda t: closest.nnaa_loss(view(), threshold=limits.nnaa_loss, tick=t)
    yield "membership_auc", lambda t: membership.membership_auc(view(), threshold=limits.membership_auc, tick=t)


def _of_category(view: View, label: int, code: int) -> Bools:
    return np.asarray(view.synthetic.labels[:, label] == code)


def _enough(space: PrivacySpace, label: int, code: int) -> bool:
    if space.whole is None or not space.n_synthetic:
        return False
    return int(_of_category(space.whole, label, code).sum()) >= MIN_LABEL_STAYS
