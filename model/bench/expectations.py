"""Ratios that a kind of machine is expected to reach. Never absolute times: another machine of the kind has others."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from model.bench.machine import Kind
from model.bench.records import Bench
from model.spec.base import Spec
from model.spec.errors import CDMTError


class Expectations(Spec):
    """Kind of machine -> ratio -> its expected value; a ratio may fall short of it by `tolerance` (a share)."""

    tolerance: float = Field(ge=0, lt=1)
    ratios: dict[Kind, dict[str, float]]


def read_expectations(path: Path) -> Expectations:
    """Expectations from their JSON file; CDMTError if it is missing or not of the form."""
    try:
        return Expectations.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CDMTError(f"{path} has no expectations that can be read: {error}") from error


def shortfalls(bench: Bench, expected: Expectations) -> list[str]:
    """A sentence for each ratio that fell below what its kind of machine is expected to reach, or was not measured.

    CDMTError where nothing is expected of this kind: a check that checks nothing must not pass.
    """
    wanted = expected.ratios.get(bench.machine.kind)
    if not wanted:
        raise CDMTError(f"there are no expectations of a machine of kind '{bench.machine.kind}'")
    found = []
    for name, ratio in wanted.items():
        least = ratio * (1 - expected.tolerance)
        measured = bench.ratios.get(name)
        if measured is None:
            found.append(f"{name} was not measured: {ratio:g} is expected on '{bench.machine.kind}'")
        elif measured < least:
            found.append(
                f"{name} is {measured:.1f}, below {least:.1f}: {ratio:g} is expected on '{bench.machine.kind}', less "
                f"{expected.tolerance:.0%}"
            )
    return found
