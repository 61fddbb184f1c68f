"""The demonstration: the whole stack, one generation over HTTP as a client would ask for it, its files, the end."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from model.spec.errors import CDMTError
from service.cli import stack
from service.cli.show import ProgressBars, counts_table, notice, privacy_line, read_report, scores_table
from service.cli.show import out as stdout
from service.contracts.jobs import TERMINAL
from service.contracts.settings import Settings

POLL_SECONDS = 0.2

Json = dict[str, Any]


class DemoError(CDMTError):
    """The demonstration did not get what it asked for."""


def run(settings: Settings, *, out: Path, n_stays: int) -> None:
    """Leave cohort.parquet, report.html and report.json in `out`, and say what is in them; the stack ends with us."""
    out.mkdir(parents=True, exist_ok=True)
    logs = out / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    notice("Starting the service: Valkey, gateway, workers.")
    with tempfile.TemporaryDirectory(prefix="cdmt-demo-") as data:
        own = settings.model_copy(update={"data_dir": Path(data)})
        with (
            stack.running(own, notice=notice, logs=logs) as running,
            httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client,
        ):
            model = _bundled_model(client)
            job = _follow(client, _submit(client, model, n_stays=n_stays), tend=running.tend)
            _download(client, job, out)
    _tell(model, job, out)


def _bundled_model(client: httpx.Client) -> Json:
    for model in _json(client.get("/models", params={"limit": 100}))["items"]:
        if model["origin"] == "bundled":
            return dict(model)
    raise DemoError("the service has no bundled model: this installation is incomplete")


def _submit(client: httpx.Client, model: Json, *, n_stays: int) -> Json:
    ratios = {label["name"]: "balanced" for label in model["schema"]["labels"]}
    request = {"model_id": model["id"], "n_stays": n_stays, "label_ratios": ratios, "seed": 0}
    notice(f"POST {client.base_url}/jobs/generate  {json.dumps(request)}")
    return _json(client.post("/jobs/generate", json=request))


def _follow(client: httpx.Client, job: Json, *, tend: Callable[[], None]) -> Json:
    """Poll the job until it has ended, showing its progress; DemoError unless it succeeded."""
    with ProgressBars() as bars:
        while job["status"] not in TERMINAL:
            progress = job.get("progress")
            if progress:
                bars(progress["step"], progress["value"], progress["max"])
            time.sleep(POLL_SECONDS)
            tend()
            job = _json(client.get(f"/jobs/{job['id']}"))
    if job["status"] != "succeeded":
        detail = (job.get("error") or {}).get("detail", "no reason is given")
        raise DemoError(f"the job {job['status']}: {detail}")
    return job


def _download(client: httpx.Client, job: Json, folder: Path) -> None:
    for name in ("cohort", "report.html", "report"):
        file = {"cohort": "cohort.parquet", "report": "report.json"}.get(name, name)
        beside = folder / f".{file}.part"
        beside.write_bytes(_answer(client.get(f"/jobs/{job['id']}/{name}")).content)
        beside.replace(folder / file)


def _tell(model: Json, job: Json, folder: Path) -> None:
    result = job["result"]
    stdout.print(f"\n{result['n_stays']:,} synthetic stays from the bundled model '{model['name']}':\n")
    stdout.print(counts_table(result["label_counts"]))
    report = read_report(folder)
    stdout.print(scores_table(report))
    stdout.print(privacy_line(report.privacy.status, report.privacy.reason), markup=False)
    missing = {name: value for name, value in model["figures"].items() if name not in result["figures"]}
    if missing:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in missing.items() if value is not None)
        stdout.print(f"Scores that need the training stays, from the model's own report: {shown}\n", markup=False)
    for file in ("cohort.parquet", "report.html", "report.json"):
        stdout.print(str(folder / file), markup=False)


def _json(answer: httpx.Response) -> Json:
    return dict(_answer(answer).json())


def _answer(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    request = f"{answer.request.method} {answer.request.url.path}"
    raise DemoError(f"{request} was answered with {answer.status_code}: {answer.text}")
