"""Real stays that are there twice: in one table, or in the training table and the holdout."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.evaluation.privacy.rarity import MIN_SURPRISING
from model.evaluation.privacy.records import Records
from model.evaluation.privacy.view import Side
from model.evaluation.space import Codes


def one_group_for_doubles(train: Side, holdout: Side) -> tuple[Codes, Codes]:
    """The groups of both sides, with one group for all patients whose stays are exactly equal and tell something.

    A stay and its double are one patient: otherwise copies of it would be as close to a second record as to the first,
    and the pair would pass for what real stays of different patients show among each other. Stays that tell little
    coincide by chance and keep their groups.
    """
    n_train = len(train)
    patients = np.unique(np.concatenate([train.groups, holdout.groups]), return_inverse=True)[1].astype(np.int64)
    known: dict[bytes, int] = {}
    twins = np.concatenate([_first_equal(train, 0, known), _first_equal(holdout, n_train, known)])
    n = int(patients.max(initial=-1)) + 1
    links = coo_array((np.ones(len(patients)), (patients, patients[twins])), shape=(n, n))
    groups = connected_components(links, directed=False)[1].astype(np.int64)[patients]
    return groups[:n_train], groups[n_train:]


def _first_equal(side: Side, offset: int, known: dict[bytes, int]) -> Codes:
    """For each stay the place of the first one that is equal to it, which is its own where there is none."""
    places: Codes = np.arange(offset, offset + len(side), dtype=np.int64)
    for i in np.flatnonzero(side.told >= MIN_SURPRISING):
        places[i] = known.setdefault(_digest(side.as_measured, int(i)), offset + int(i))
    return places


def _digest(records: Records, i: int) -> bytes:
    parts = (records.measured[i], records.values[i] + np.float32(0), records.codes[i])  # + 0: there are two zeros
    return hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=16).digest()
