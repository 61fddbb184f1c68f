"""The distribution: alone, small, and the same for both ways to use it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import cdmt_client
from cdmt_client import AsyncCohortClient, AsyncJob, CohortClient, Job

CLIENT = Path(__file__).parents[2] / "client"
ALONE = """
import sys

BLOCKED = {"IPython", "model", "numpy", "pandas", "pyarrow", "rich", "service", "torch", "worker"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"blocked: {name}")

sys.meta_path.insert(0, Blocker())
sys.path.insert(0, sys.argv[1])
import cdmt_client
with cdmt_client.CohortClient("http://127.0.0.1:1", retries=cdmt_client.Retries(seconds=0)) as client:
    try:
        client.upload({"no": "table"})
    except cdmt_client.CohortError as error:
        print(error)
"""


def test_it_needs_httpx_and_nothing_of_the_service() -> None:
    command = [sys.executable, "-W", "error", "-c", ALONE, str(CLIENT / "src")]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert found.stdout == "a table is a path or a pandas DataFrame, not a dict\n"


def test_its_metadata_says_what_it_is() -> None:
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    assert project["version"] == cdmt_client.__version__
    assert project["dependencies"] == ["anyio>=4.1", "httpx>=0.27"]
    assert (CLIENT / "src" / "cdmt_client" / "py.typed").exists()
    assert (CLIENT / "LICENSE").read_bytes() == (CLIENT.parent / "LICENSE").read_bytes()


def test_both_clients_have_the_same_verbs() -> None:
    for one, other in ((CohortClient, AsyncCohortClient), (Job, AsyncJob)):
        assert verbs(one) == verbs(other)


def verbs(kind: type) -> dict[str, list[str]]:
    """Public method -> its parameters with their types and defaults."""
    members = inspect.getmembers(kind, inspect.isfunction)
    return {
        name.replace("aclose", "close"): [str(parameter) for parameter in inspect.signature(member).parameters.values()]
        for name, member in members
        if not name.startswith("_") or (name == "__init__" and kind in (CohortClient, AsyncCohortClient))
    }
