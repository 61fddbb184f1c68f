"""Values where a cohort says that nothing was measured, as the paper leaves them: what masking them is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.compute import Compute
from model.data.channels import MEASURED
from model.data.codec import Codec, Codes, Floats
from model.data.stays import Stays
from model.evaluation.aggregates import aggregate
from model.evaluation.comparison import Comparison
from model.evaluation.space import Z_LIMIT
from model.evaluation.view import View
from model.generators import Cdmt, TrainedCdmt
from model.spec.config import Missing
from model.training import CancelCheck, Progress


@dataclass(frozen=True)
class Unmasked:
    """Our model as `generator`, whose values under a "missing" mark are judged, too, instead of being filled in."""

    generator: Cdmt

    @property
    def training_key(self) -> str:
        """That of the model."""
        return self.generator.training_key

    def train(
        self,
        stays: Stays,
        codec: Codec,
        *,
        seed: int,
        compute: Compute,
        workdir: Path,
        progress: Progress,
        cancelled: CancelCheck,
    ) -> TrainedUnmasked:
        """See `Generator`."""
        trained = self.generator.train(
            stays, codec, seed=seed, compute=compute, workdir=workdir, progress=progress, cancelled=cancelled
        )
        return TrainedUnmasked(trained)


@dataclass(frozen=True)
class TrainedUnmasked:
    """A trained model, of whose stays all values are asked for."""

    trained: TrainedCdmt

    def sample(self, labels: npt.NDArray[np.int64], *, seed: int, progress: Progress, cancelled: CancelCheck) -> Stays:
        """The stays as the model gives them out: without values under a "missing" mark."""
        return self.trained.sample(labels, seed=seed, progress=progress, cancelled=cancelled)

    def all_values(
        self, labels: npt.NDArray[np.int64], *, seed: int, progress: Progress, cancelled: CancelCheck
    ) -> Stays:
        """The same stays with every value: `sample` with the same arguments is these with some left out."""
        everything = replace(self.trained, codec=_Everything(self.trained.codec.state))
        return everything.sample(labels, seed=seed, progress=progress, cancelled=cancelled)


class _Everything(Codec):
    """Decodes as if all was measured."""

    def decode(self, numerical: Floats, categorical: Codes, *, missing: Missing, labels: Codes | None = None) -> Stays:
        marked = np.array([channel.kind == "mark" for channel in self.categorical_channels])
        return super().decode(numerical, np.where(marked, MEASURED, categorical), missing=missing, labels=labels)


def with_all_values(sides: Comparison, complete: Stays) -> Comparison:
    """A comparison in which the synthetic stays have the values of `complete` where theirs would be filled in."""
    table = sides.synthetic_table
    values = np.clip(sides.codec.encode(complete).numerical, -Z_LIMIT, Z_LIMIT)
    changed = replace(table, numerical=values)
    return replace(sides, synthetic_view=View(sides.synthetic_view.stays, changed), synthetic=aggregate(changed))
