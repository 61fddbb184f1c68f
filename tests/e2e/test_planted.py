"""Planted values go through the whole stack, in every way that is wrong, too, and are nowhere afterwards.

Tables, weights and checkpoints are encrypted here, so that nowhere means in no file of the data folder at all, be it a
log, a record, a report, the audit log or what the queue has kept.
"""

from __future__ import annotations

import json
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import pytest

from service.audit.head import read_key
from service.audit.verify import verify
from service.cli import stack
from service.contracts.settings import Settings
from service.contracts.vault import MAGIC, read_vault
from tests.e2e.conftest import SCHEMA, Job
from tests.worker.tables import FAST_SAMPLER, TINY_NETWORK, TINY_TRAINING, made_up_stays

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NUMBER, STAY, PATIENT, TEXT = 77.123457, 918_273_645, "PATIENT-4711", "GEHEIM-4712"
TRACES = [
    *(text.encode() for text in ("77.12345", "77.1235", "918273645", PATIENT, TEXT)),
    *(struct.pack(kind, NUMBER) for kind in "fd"),
    *(struct.pack(kind, STAY) for kind in "iq"),
]
PLANTED_SCHEMA = {**SCHEMA, "patient_id": "patient", "rules": ["temp <= heart_rate"]}


class Stack(NamedTuple):
    client: httpx.Client
    folder: Path
    heard: list[bytes]
    """Every answer so far, but for cohorts."""


def planted(seed: int = 0, *, synthetic: bool = False) -> pd.DataFrame:
    """Made-up stays, one of which has the planted values; its patient is named."""
    frame = made_up_stays(seed=seed).astype({"heart_rate": "float64"})
    frame["patient"] = "p" + frame["stay"].astype(str)
    first = frame["stay"] == frame["stay"].iloc[0]
    if not synthetic:  # of a table that is said to be synthetic, a report tells the quantiles as they are
        frame.loc[first, "heart_rate"] = NUMBER
        frame.loc[first, "temp"] = 2 * NUMBER
    frame.loc[first, "patient"] = PATIENT
    frame.loc[first, "stay"] = STAY
    return frame


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "keys").write_text(f"{secrets.token_hex(32)}\n")
    (folder / "audit-key").write_text(secrets.token_hex(32))
    settings = Settings(
        port=0,
        data_dir=folder / "var",
        device="cpu",
        threads=1,
        reconcile_every_seconds=2,
        checkpoint_every_seconds=0.01,
        log_level="debug",
        encryption_key_file=folder / "keys",
        audit_key_file=folder / "audit-key",
    )
    heard: list[bytes] = []

    def listen(answer: httpx.Response) -> None:
        if not answer.request.url.path.endswith("/cohort"):
            heard.append(answer.read() + str(answer.headers).encode())

    with (
        stack.running(settings, notice=lambda _: None, logs=folder / "logs") as up,
        httpx.Client(base_url=up.url, trust_env=False, timeout=30, event_hooks={"response": [listen]}) as client,
    ):
        yield Stack(client, folder, heard)


def upload(client: httpx.Client, content: bytes, schema: dict[str, Any] | None = None) -> httpx.Response:
    data = {"schema": json.dumps(PLANTED_SCHEMA if schema is None else schema)}
    return client.post("/datasets", files={"file": ("stays.csv", content)}, data=data)


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def wrong_tables() -> dict[str, bytes]:
    """What is no table of the schema, each with the planted values in the place where it is wrong."""
    frame = planted()
    at = frame.index[0]
    text = frame.astype(object)
    return {
        "text among the numbers": csv(text.assign(heart_rate=text["heart_rate"].where(text.index != at, TEXT))),
        "an unknown category": csv(text.assign(ventilated=text["ventilated"].where(text.index != at, TEXT))),
        "an unknown label": csv(text.assign(death=text["death"].where(text.index != at, TEXT))),
        "text for a time": csv(text.assign(hour=text["hour"].where(text.index != at, TEXT))),
        "no stay": csv(text.assign(stay=text["stay"].where(text.index != at, None))),
        "a row twice": csv(pd.concat([frame, frame[:1]])),
        "a stay of two patients": csv(text.assign(patient=text["patient"].where(text.index != at, TEXT))),
        "a row too long": csv(frame) + f"{TEXT},{NUMBER},{PATIENT},1,2,3,4,5,6,7,8,9\n".encode(),
        "a missing column": csv(frame.drop(columns="temp")),
        "no UTF-8": csv(frame) + TEXT.encode() + b"\xff\xfe\n",
        "no table": f"{TEXT} {NUMBER}".encode(),
        "a damaged Parquet": b"PAR1" + TEXT.encode() + b"PAR1",
    }


def test_planted_values_are_nowhere(running: Stack) -> None:
    client, folder, heard = running
    for name, content in wrong_tables().items():
        assert upload(client, content).status_code == 422, name
    dataset = upload(client, csv(planted())).json()["id"]
    for body in ({"n_stays": TEXT}, {"n_stays": 5, "label_ratios": {"death": {"0": TEXT}}}, [TEXT], TEXT):
        assert client.post("/jobs/generate", json=body).status_code == 422
    training = Job(
        client,
        "/jobs/train",
        {
            "dataset_id": dataset,
            "name": "tiny",
            "training": TINY_TRAINING.model_dump(),
            "network": TINY_NETWORK.model_dump(),
        },
    )
    model = training.until(lambda job: job["status"] == "succeeded", seconds=200)[-1]["result"]["model_id"]
    wanted = {"model_id": model, "n_stays": 60, "sampler": FAST_SAMPLER.model_dump(), "enforce_rules": True}
    cohort = Job(client, "/jobs/generate", wanted)
    cohort.until(lambda job: job["status"] == "succeeded", seconds=120)
    table = client.post(
        "/jobs/evaluate",
        files={"file": ("a.csv", csv(planted(seed=1, synthetic=True)))},
        data={"dataset_id": dataset},
    )
    Job.at(client, table).until(lambda job: job["status"] == "succeeded", seconds=120)
    for path in ("/metrics", "/datasets", "/models", "/jobs", f"/models/{model}", f"/datasets/{dataset}"):
        client.get(path).raise_for_status()
    for job in (training, cohort, Job.at(client, table)):
        client.get(f"{job.url}/report").raise_for_status()
        client.get(f"{job.url}/report.html").raise_for_status()
        client.get(f"{job.url}/events").raise_for_status()
    archive = client.get(f"/models/{model}/archive").raise_for_status().content
    assert [found for answer in heard if answer[:2] != b"PK" for found in contexts(answer)] == []
    assert archive[:2] == b"PK"
    assert traces_in(folder) == []
    check_encrypted(folder, dataset=dataset, model=model, table=table.json()["id"])
    found = verify(folder / "var" / "audit", key=read_key(folder / "audit-key"))
    assert (found.problems, found.count > 10) == ([], True)


def contexts(content: bytes) -> list[bytes]:
    """What stands around each trace in a content."""
    places = [content.find(trace) for trace in TRACES]
    return [content[max(0, at - 80) : at + 40] for at in places if at >= 0]


def traces_in(folder: Path) -> list[tuple[str, list[bytes]]]:
    """The files below the folder that hold a trace: logs, records, reports, audit log, the queue's own files."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert {"head.json", "gateway.log", "record.json", "report.html"} <= {path.name for path in paths}
    found = {str(path): contexts(path.read_bytes()) for path in paths}
    return [(path, places) for path, places in found.items() if places]


def check_encrypted(folder: Path, *, dataset: str, model: str, table: str) -> None:
    """Tables and weights are encrypted, and the planted values are in them once they are decrypted."""
    var, vault = folder / "var", read_vault(folder / "keys")
    files = {
        "table": var / "datasets" / dataset / "table.parquet",
        "weights": var / "models" / model / "weights.safetensors",
        "uploaded": var / "jobs" / table / "synthetic.parquet",
    }
    assert {name: path.read_bytes()[:8] for name, path in files.items()} == dict.fromkeys(files, MAGIC)
    with vault.source(files["table"]).open("rb") as file:
        assert PATIENT in set(pd.read_parquet(file)["patient"])
