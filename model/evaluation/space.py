"""The common space: every table, real or synthetic, filled and scaled by the one codec before it is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from model.data.channels import Channel
from model.data.codec import Codec
from model.data.stays import Stays

Floats = npt.NDArray[np.float64]
Inputs = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Tick = Callable[[float], None]

Z_LIMIT = 20.0  # one wild value of a foreign table must not decide a correlation or a network's training
NO_CODE = -1
NO_STAYS = "the table holds no stays"
MAX_STEPS = 100
MAX_FLAT = 4_000
MAX_CELLS = 2**27  # 512 MiB of float32


class NotAvailable(Exception):
    """A figure does not exist for these tables; the message says why, in the reader's words."""


class Figure(NamedTuple):
    """A value, its 95 % interval where there is one, and what was measured with it.

    `holdout_value` is what real stays score in the place of the synthetic ones; `spread` the standard deviation over
    seeds; `threshold` the privacy gate's, with which it compares `gate_low`, a stricter bound than `low`; `sample` says
    on how many stays it rests, where not on all.
    """

    value: float
    low: float | None = None
    high: float | None = None
    holdout_value: float | None = None
    spread: float | None = None
    threshold: float | None = None
    sample: str | None = None
    gate_low: float | None = None


def no_tick(fraction: float) -> None:
    """Take note of nothing: the default of functions that tell how far they are (0 to 1)."""


def part_of(tick: Tick, k: int, n: int) -> Tick:
    """The tick of the k-th of `n` equal parts of the work."""
    return lambda fraction: tick((k + fraction) / n)


@dataclass(frozen=True)
class Table:
    """Stays in the common space.

    numerical    (n, L, M_n) float32 z-scored, filled: last observation carried forward, stay mean, training mean
    categorical  (n, L, M_ch) int64 codes of `channels`: categorical features and missingness marks, no labels; -1
                 after the end of a stay, where `numerical` is 0
    labels       (n, K) int64 codes
    measured     (n, M_n) bool, True where a stay has a numerical feature measured at least once
    static       (M_n,) bool, True for a numerical feature that is constant within a stay
    inside       (n, L) bool, True up to the end of each stay; None where all stays are of one length by their schema
    """

    numerical: Inputs
    categorical: Codes
    labels: Codes
    measured: Bools
    channels: tuple[Channel, ...]
    static: Bools
    inside: Bools | None = None

    def __len__(self) -> int:
        return len(self.numerical)

    @property
    def n_steps(self) -> int:
        """Time steps of a stay."""
        return int(self.numerical.shape[1])

    def take(self, index: Codes | slice) -> Table:
        """The stays at `index`."""
        return Table(
            numerical=self.numerical[index],
            categorical=self.categorical[index],
            labels=self.labels[index],
            measured=self.measured[index],
            channels=self.channels,
            static=self.static,
            inside=None if self.inside is None else self.inside[index],
        )

    def sample(self, n: int, *, seed: int) -> Table:
        """A random `n` of the stays; all of them, in their order, where there are no more."""
        if len(self) <= n:
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self))[:n]))


def to_table(stays: Stays, codec: Codec, *, without: frozenset[str] = frozenset(), fill: bool = False) -> Table:
    """`stays` in the common space, leaving out the channels named in `without`; `fill`: nothing counts as missing."""
    encoded = codec.encode(codec.fill(stays) if fill else stays)
    kept = [j for j, channel in enumerate(codec.categorical_channels) if channel.kind in ("feature", "mark")]
    kept = [j for j in kept if codec.categorical_channels[j].name not in without]
    inside = stays.inside if codec.schema.variable_length else None
    there: Bools | Literal[True] = True if inside is None else inside[:, :, None]
    return Table(
        numerical=np.where(there, np.clip(encoded.numerical, -Z_LIMIT, Z_LIMIT), np.float32(0)),
        categorical=np.where(there, encoded.categorical[:, :, kept], NO_CODE),
        labels=encoded.labels,
        measured=stays.observed.sum(axis=1) > 0,
        channels=tuple(codec.categorical_channels[j] for j in kept),
        static=np.array([feature.static for feature in codec.schema.numerical], dtype=np.bool_),
        inside=inside,
    )


def sequences(table: Table, *, max_steps: int = MAX_STEPS) -> Inputs:
    """(n, steps, W) float32: numerical features, then channels one-hot (one column for a channel of two categories).

    Where stays may end early, the last column says until when they last. Long stays are thinned to every k-th step, at
    most `max_steps` of them and `MAX_CELLS` numbers in all. Raises NotAvailable where there is no column.
    """
    width = _width(table)
    if not width:
        raise NotAvailable("there is no feature left to compare")
    affordable = MAX_CELLS // max(1, len(table) * width)
    stride = -(-table.n_steps // max(1, min(max_steps, affordable)))
    parts = [table.numerical[:, ::stride]]
    for j, channel in enumerate(table.channels):
        first = 1 if len(channel.categories) == 2 else 0
        wanted = np.arange(first, len(channel.categories))
        parts.append((table.categorical[:, ::stride, j, None] == wanted).astype(np.float32))
    if table.inside is not None:
        parts.append(table.inside[:, ::stride, None].astype(np.float32))
    return np.concatenate(parts, axis=2)


def flat(table: Table) -> Inputs:
    """(n, steps * W) float32: `sequences`, thinned to at most `MAX_FLAT` columns, one row per stay."""
    return sequences(table, max_steps=max(1, MAX_FLAT // max(1, _width(table)))).reshape(len(table), -1)


def _width(table: Table) -> int:
    ends = 0 if table.inside is None else 1
    return int(table.numerical.shape[2]) + sum(_columns(channel) for channel in table.channels) + ends


def _columns(channel: Channel) -> int:
    return 1 if len(channel.categories) == 2 else len(channel.categories)
