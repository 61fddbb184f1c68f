"""Stays divided into training and holdout, so that no patient is on both sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model.data.stays import Stays
from model.spec.errors import TrainingError


class Split(NamedTuple):
    """Two sets of stays, each in the order of the source, with no patient in common."""

    train: Stays
    holdout: Stays


def split(stays: Stays, *, holdout_fraction: float, seed: int) -> Split:
    """Put a random `holdout_fraction` of the patients aside; of the stays, where patients are not known.

    Both sides get at least one patient. The same stays, fraction and seed give the same split. Raises TrainingError
    where there is only one patient (or stay).
    """
    patients = np.arange(len(stays)) if stays.patients is None else stays.patients
    unique = np.unique(patients)
    if len(unique) < 2:
        unit = "stay" if stays.patients is None else "patient"
        raise TrainingError(f"the table holds {len(unique)} {unit}; at least 2 are needed for training and holdout")
    n_holdout = min(max(round(holdout_fraction * len(unique)), 1), len(unique) - 1)
    chosen = np.random.default_rng(seed).permutation(unique)[:n_holdout]
    in_holdout = np.isin(patients, chosen)
    return Split(train=stays.take(~in_holdout), holdout=stays.take(in_holdout))
