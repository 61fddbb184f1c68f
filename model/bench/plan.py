"""How much is measured: runs, stays, steps."""

from __future__ import annotations

from pydantic import Field

from model.spec.base import Spec

WHOLE = 20_920
"""Stays of the cohort that drawing is told for: the stays of MIMIC-III that the paper trains on."""


class Plan(Spec):
    """The effort of a benchmark. Where `n_stays` is less than `WHOLE`, times for the whole are extrapolated."""

    runs: int = Field(5, ge=1, le=1000)
    n_stays: int = Field(768, ge=1, description="drawn in one run, and in one with other networks or windows at most")
    n_long: int = Field(256, ge=1, description="stays of 272 steps drawn in one run")
    timediff_batches: tuple[int, ...] = Field((128, 256, 512, 1024), min_length=1)
    timediff_steps: int = Field(50, ge=1, le=1000, description="of its 1,000 that are timed")
    training_steps: int = Field(20, ge=1, description="optimiser steps in one run")
    n_reported: int = Field(2000, ge=60, description="synthetic stays of the report, and real ones to compare with")


def make_plan(*, device: str, quick: bool, runs: int | None = None) -> Plan:
    """The plan for a kind of device; `quick`: three runs of little work, to see that all is well."""
    if device == "cuda":
        batches = (1024, 4096, 8192, WHOLE)
        plan = Plan(n_stays=WHOLE, n_long=4096, timediff_batches=batches, timediff_steps=100, training_steps=50)
    else:
        plan = Plan()
    if quick:
        few = {"runs": 3, "timediff_steps": plan.timediff_steps // 2, "training_steps": 5, "n_reported": 200}
        fewer = {
            "n_stays": plan.n_stays // 4,
            "n_long": plan.n_long // 8,
            "timediff_batches": plan.timediff_batches[:2],
        }
        plan = plan.model_copy(update={**few, **fewer})
    return plan.model_copy(update={"runs": runs}) if runs else plan
