"""How long do stays last? The length of a stay told as a feature with one value per stay, overall and by label."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from model.data.stays import Stays
from model.evaluation.conditional import real_conditionals, with_synthetic_parts
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.distributions import describe, distance, of_real, with_bins
from model.evaluation.fidelity import marginal_ks
from model.evaluation.space import Floats, NotAvailable
from model.spec.figures import FeatureReport
from model.spec.schema import Schema

LENGTH = FeatureReport(name="length of stay", type="numerical", unit="steps", static=True)


class Lengths(NamedTuple):
    """Shares of the compared stays and of the training stays (B,) by length, in the same classes."""

    subject: Floats
    training: Floats


def length_shares(stays: Stays) -> Floats:
    """(L,) share of the stays that last for 1, 2, ... L steps."""
    counts = np.bincount(stays.n_steps, minlength=stays.sequence_length + 1)[1:]
    shares: Floats = counts / max(len(stays), 1)
    return shares


def stay_length(lengths: Lengths | None) -> float:
    """Largest difference of the shares of stays that have ended by a step (Kolmogorov-Smirnov): 1 = disjoint.

    Raises NotAvailable where they are not known, and where no stay ends before the last step.
    """
    if lengths is None:
        raise NotAvailable("the real stays' lengths are not known, or too few to be told")
    if not (lengths.subject[:-1].any() or lengths.training[:-1].any()):
        raise NotAvailable("all stays are of full length")
    return marginal_ks(lengths.subject, lengths.training)


def told_lengths(feature: FeatureReport | None, side: Literal["synthetic", "holdout"]) -> Lengths | None:
    """The same in the bins of what is told of the training stays; None where nothing is."""
    subject = None if feature is None else (feature.synthetic if side == "synthetic" else feature.holdout)
    if feature is None or feature.training is None or subject is None:
        return None
    if not feature.training.n_values or not subject.n_values:
        return None
    return Lengths(np.array(subject.shares), np.array(feature.training.shares))


def real_lengths(train: Stays, holdout: Stays | None, schema: Schema) -> FeatureReport | None:
    """What may be told of the lengths of real stays; None where the schema gives all stays one length."""
    if not schema.variable_length:
        return None
    seen, aside = as_feature(train), None if holdout is None else as_feature(holdout)
    feature = of_real(LENGTH, 0, [side for side in (seen, aside) if side is not None])
    return feature.model_copy(update={"by_label": real_conditionals(feature, 0, seen, aside, schema=schema)})


def compared_lengths(synthetic: Stays, known: FeatureReport | None, schema: Schema) -> FeatureReport | None:
    """Lengths as they are `known` of the real stays, the synthetic ones' beside them; of 11 stays or more."""
    if not schema.variable_length:
        return None
    stays = as_feature(synthetic)
    feature = with_bins(LENGTH, 0, [stays]) if known is None else known
    told = None if len(synthetic) < MIN_STAYS else describe(stays, feature, column=0, real=False)
    parts = with_synthetic_parts(feature, 0, stays, schema=schema)
    found = {"synthetic": told, "distance": distance(feature, told, feature.training), "by_label": parts}
    return feature.model_copy(update=found)


def as_feature(stays: Stays) -> Stays:
    """Stays of one step, the one value of which is how many steps they last."""
    values = stays.n_steps.astype(np.float32)[:, None, None]
    return Stays(values, np.empty((len(stays), 1, 0), dtype=np.int64), stays.labels)
