"""One table of stays in the forms that figures are computed from."""

from __future__ import annotations

from dataclasses import dataclass

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.space import Codes, Table, to_table


@dataclass(frozen=True)
class View:
    """The same stays in the units of their schema, and in the common space."""

    stays: Stays
    table: Table

    def __len__(self) -> int:
        return len(self.stays)

    def take(self, index: Codes) -> View:
        """The stays at `index`."""
        return View(self.stays.take(index), self.table.take(index))


def view(stays: Stays, codec: Codec, *, without: frozenset[str] = frozenset(), fill: bool = False) -> View:
    """`stays` as they are compared; `fill`: their missing values filled in, and nothing counted as missing."""
    table = to_table(stays, codec, without=without, fill=fill)  # which still knows what was measured
    return View(codec.fill(stays) if fill else stays, table)
