"""A notebook that a data scientist might write, run by a real kernel against a real stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CELLS = (
    """from cdmt_client import CohortClient
client = CohortClient()
client.model("challenge2012-v1")""",
    """job = client.generate("challenge2012-v1", n_stays=50, label_ratios={"in_hospital_death": {"1": 0.3, "0": 0.7}})
job.wait()""",
    """frame = job.to_pandas()
assert len(frame) == 50 * 25
job.report()""",
)
RUN = """
import sys, nbclient, nbformat
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sys.argv[2:]])
nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
nbformat.write(book, sys.argv[1])
"""


def test_a_notebook_shows_bars_cards_and_reports(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    env = {"CDMT_SERVER": str(client.base_url), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", RUN, str(path), *CELLS]
    ran = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    model, waited, report = (
        [page(output) for output in cell["outputs"]] for cell in json.loads(path.read_text())["cells"]
    )
    assert "challenge2012-v1" in model[-1]
    assert ['role="progressbar"' in shown for shown in waited] == [True, False]
    assert all(text in waited[-1] for text in ("succeeded", "50 synthetic stays", "30.0%", "privacy: not evaluated"))
    assert all(text in report[-1] for text in ("real holdout", "Extreme values", "in_hospital_death"))


def page(output: dict[str, Any]) -> str:
    """The HTML of a cell's output; what is none fails."""
    html = output["data"]["text/html"]
    return html if isinstance(html, str) else "".join(html)
