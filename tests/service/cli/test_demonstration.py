from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


@pytest.mark.e2e
@pytest.mark.slow
def test_the_demonstration_leaves_a_balanced_cohort_and_its_report(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    command = [sys.executable, "-m", "service.cli", "demo", "--stays", "50", "--out", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    assert {"cohort.parquet", "report.html", "report.json"} <= {path.name for path in tmp_path.iterdir()}
    labels = pd.read_parquet(tmp_path / "cohort.parquet").groupby("stay_id")["in_hospital_death"].first()
    assert labels.value_counts().to_dict() == {0: 25, 1: 25}
    for file in ("cohort.parquet", "report.html", "report.json"):
        assert str(tmp_path / file) in done.stdout
