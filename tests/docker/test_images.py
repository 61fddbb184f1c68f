from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def declared(extra: str) -> list[str]:
    """What our own pyproject.toml asks for, with `extra`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"][extra]]


def needed(texts: Iterable[str], seen: dict[str, None]) -> None:
    """Add to `seen` every package that the requirements lead to, by the metadata of what is installed here."""
    for requirement in map(Requirement, texts):
        own = requirement.name == "cdmt-ehr"
        if requirement.name in seen:
            continue
        for extra in requirement.extras or {""}:
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            if own:
                needed(declared(extra), seen)
            else:
                seen[requirement.name] = None
                needed(wanted(requires(requirement.name) or [], extra), seen)


def wanted(texts: Iterable[str], extra: str) -> list[str]:
    """The requirements whose conditions hold here."""
    parsed = map(Requirement, texts)
    return [r.name for r in parsed if r.marker is None or r.marker.evaluate({"extra": extra})]


@pytest.mark.parametrize(("extra", "expected"), [("service", False), ("worker", True)])
def test_the_gateway_needs_no_torch_and_the_worker_does(extra: str, expected: bool) -> None:
    seen: dict[str, None] = {}
    needed(declared(extra), seen)
    assert "redis" in seen
    assert ("torch" in seen) is expected


def test_every_direct_dependency_is_locked() -> None:
    locked = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    names = {Requirement(text).name for text in texts} - {"cdmt-ehr"}
    assert {name for name in names if name not in locked and name.replace("-", "_") not in locked} == set()
