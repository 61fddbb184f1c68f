"""Tables that break careless code."""

import numpy as np

from model.data.stays import Stays
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema


def odd(kind: str, n: int, *, with_rule: bool = False) -> tuple[Schema, Stays]:
    """`n` stays of which one thing is extreme: `kind` says which."""
    rng = np.random.default_rng(n)
    length = 1 if kind == "one step" else 5
    numerical = rng.normal(size=(n, length, 3)).astype(np.float32)
    categorical = rng.integers(0, 2, (n, length, 2))
    labels = rng.integers(0, 3, (n, 1))
    if kind == "constant":
        numerical[:], categorical[:] = 5, 1
    if kind == "never measured":
        numerical[:, :, 0], categorical[:, :, 0] = np.nan, -1
    if kind == "one class":
        labels[:] = 0
    numerical = numerical[:, :, : 0 if kind == "no numerical" else 3]
    categorical = categorical[:, :, : 0 if kind == "no categorical" else 2]
    labels = labels[:, : 0 if kind == "no labels" else 1]
    schema = Schema(
        stay_id="stay",
        time="hour",
        sequence_length=length,
        features=(
            *(NumericalFeature(name=f"n{j}") for j in range(numerical.shape[2])),
            *(CategoricalFeature(name=f"c{j}", categories=("a", "b")) for j in range(categorical.shape[2])),
        ),
        labels=tuple(Label(name=f"l{k}", categories=("x", "y", "z")) for k in range(labels.shape[1])),
        rules=("n0 <= n1",) if with_rule and kind != "no numerical" else (),
    )
    return schema, Stays(numerical, categorical, labels)
