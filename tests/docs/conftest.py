"""What the pages find when they are followed: a running service, and a folder with what they speak of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from model.spec.privacy import PrivacyThresholds
from service.cli import stack
from service.contracts.settings import Settings
from tests.docs.blocks import ROOT

N_STAYS = 200
UNTESTED = {f"privacy_{name}": 1.0 for name in PrivacyThresholds.model_fields}
"""Models of seconds learn their few stays by heart, and the gate would hold their cohorts; it has tests of its own."""


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service runs that asks nobody for a key."""
    folder = tmp_path_factory.mktemp("service")
    given = {"port": 0, "auth": "off", "data_dir": folder / "var", "device": "cpu", "threads": 1}
    settings = Settings.model_validate(given | UNTESTED)
    with stack.running(settings, notice=print, logs=folder / "logs") as running:
        yield running.url


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables that stand for the reader's own: stays of the bundled model, which belong to nobody."""
    folder = tmp_path_factory.mktemp("tables")
    names, drawn = ("stays", "never-seen", "theirs"), folder / "all"
    command = [sys.executable, "-m", "service.cli", "generate", "bundled", "-n", str(len(names) * N_STAYS)]
    subprocess.run([*command, "--out", str(drawn)], check=True, cwd=ROOT, capture_output=True)
    stays = pd.read_parquet(drawn)
    for number, name in enumerate(names):
        stays[stays["stay_id"] % len(names) == number].to_parquet(folder / f"{name}.parquet", index=False)
    drawn.unlink()
    pd.read_parquet(folder / "theirs.parquet").to_csv(folder / "theirs.csv", index=False)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, tables: Path) -> Path:
    """A folder that looks like a checkout, with the reader's tables in it."""
    for entry in ROOT.iterdir():
        if entry.name not in {"var", "build", "demo-output", ".git"}:
            (tmp_path / entry.name).symlink_to(entry)
    for table in tables.iterdir():
        (tmp_path / table.name).symlink_to(table)
    return tmp_path
