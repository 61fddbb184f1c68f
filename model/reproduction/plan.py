"""How much is done: seeds, stays, and the time of a training."""

from __future__ import annotations

from pydantic import Field

from model.spec.base import Spec

SEEDS = 5  # as the paper
QUICK_MINUTES, QUICK_STAYS = 2.5, 600


class Plan(Spec):
    """The effort of a reproduction. `n_stays` absent: as many synthetic stays as there are training stays."""

    quick: bool = False
    seeds: int = Field(SEEDS, ge=1, le=100)
    minutes: float | None = Field(None, gt=0, description="longest training; absent: as many steps as its arm says")
    steps: int | None = Field(None, ge=1, description="most steps of a training; absent: as its arm says")
    n_stays: int | None = Field(None, ge=100)


def make_plan(*, quick: bool, seeds: int | None, minutes: float | None, steps: int | None, n_stays: int | None) -> Plan:
    """The plan with what was asked for, and what `quick` means for the rest: 30 minutes on two cores."""
    if not quick:
        return Plan(seeds=seeds or SEEDS, minutes=minutes, steps=steps, n_stays=n_stays)
    return Plan(
        quick=True, seeds=seeds or 1, minutes=minutes or QUICK_MINUTES, steps=steps, n_stays=n_stays or QUICK_STAYS
    )
