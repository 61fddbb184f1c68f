"""A synthetic table that comes with its request to be evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from model.data.arrange import arrange
from model.spec.binning import Binning
from service.api.app import create_app
from service.contracts.job_store import JobStore
from service.contracts.records import SYNTHETIC
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import BAD_TABLES, check_problem
from tests.service.making import SCHEMA, add_job, add_model, finish_generate, parquet, table


@pytest.fixture
def dataset_id(client: httpx.Client) -> str:
    """The table of real stays."""
    data = {"schema": SCHEMA.model_dump_json()}
    return str(client.post("/datasets", files={"file": ("real.parquet", parquet(table()))}, data=data).json()["id"])


def evaluate(client: httpx.Client, content: bytes, **fields: str) -> httpx.Response:
    return client.post("/jobs/evaluate", files={"file": ("other.parquet", content)}, data=fields)


def nothing_is_left(store: ArtifactStore) -> bool:
    return store.ids("jobs") == [] and list(store.staging_root.iterdir()) == []


def kept(store: ArtifactStore, job_id: str) -> pd.DataFrame:
    return pd.read_parquet(store.directory("jobs", job_id) / SYNTHETIC)


def test_a_table_is_taken_and_kept_with_its_job(client: httpx.Client, store: ArtifactStore, dataset_id: str) -> None:
    response = evaluate(
        client, parquet(table(10)), dataset_id=dataset_id, metrics='["dcr_share", "tstr"]', detail="full", seed="7"
    )
    assert response.status_code == 202, response.text
    job = response.json()
    assert (job["kind"], job["status"], job["queue_position"]) == ("evaluate", "queued", 0)
    request = job["request"]
    assert (request["dataset_id"], request["job_id"], request["detail"], request["seed"]) == (
        dataset_id,
        None,
        "full",
        7,
    )
    assert request["metrics"] == ["dcr_share", "tstr"]
    assert (request["table"]["filename"], request["table"]["n_stays"]) == ("other.parquet", 10)
    assert len(kept(store, job["id"])) == 30
    assert list(store.staging_root.iterdir()) == []
    for path in ("cohort", "table", "synthetic.parquet"):
        assert client.get(f"/jobs/{job['id']}/{path}").status_code == 404


def test_a_table_goes_with_its_job(client: httpx.Client, store: ArtifactStore, dataset_id: str) -> None:
    job_id = evaluate(client, parquet(table(10)), dataset_id=dataset_id).json()["id"]
    assert client.delete(f"/datasets/{dataset_id}").status_code == 409
    assert client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert not (store.directory("jobs", job_id) / SYNTHETIC).exists()
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert nothing_is_left(store)


@pytest.mark.parametrize("text", ["dcr_share,tstr", " dcr_share , tstr,", '["dcr_share", "tstr"]'])
def test_metrics_are_a_list_or_names_and_commas(client: httpx.Client, dataset_id: str, text: str) -> None:
    job = evaluate(client, parquet(table(10)), dataset_id=dataset_id, metrics=text).json()
    assert job["request"]["metrics"] == ["dcr_share", "tstr"]


def text_ids(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(stay="synthetic-" + frame["stay"].astype(str))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_table_is_binned_by_the_rule_of_its_dataset(client: httpx.Client, store: ArtifactStore, form: str) -> None:
    """Time stamps every half hour, in hours of a mean; the synthetic ones may come as text, at other dates."""

    def stamped(start: str) -> pd.DataFrame:
        frame = table(10, length=4).rename(columns={"hour": "charttime"})
        minutes = pd.to_timedelta(frame["charttime"].astype(int) * 30, unit="min")
        return frame.assign(charttime=pd.Timestamp(start) + minutes)

    schema = SCHEMA.model_copy(update={"time": "charttime", "sequence_length": 2, "binning": Binning(step="1h")})
    data = {"schema": schema.model_dump_json()}
    real = client.post("/datasets", files={"file": ("r.parquet", parquet(stamped("2150-05-06 07:08")))}, data=data)
    other = stamped("2000-01-01")
    content = parquet(other.astype({"charttime": str})) if form == "parquet" else other.to_csv(index=False).encode()
    response = evaluate(client, content, dataset_id=real.json()["id"])
    assert response.status_code == 202, response.text
    found = kept(store, response.json()["id"])
    means = arrange(found, schema).stays.numerical[:, :, 0]
    assert means.tolist() == (table(10, length=4)["heart_rate"].to_numpy().reshape(10, 2, 2).mean(axis=2)).tolist()


OTHER_PRODUCTS = {
    "other column order": lambda t: t[list(reversed(t.columns))],
    "more columns": lambda t: t.assign(score=0.5, note="made up"),
    "whole numbers as floats": lambda t: t.astype({"stay": float, "hour": float, "death": float}),
    "stay ids as text": text_ids,
    "labels as text": lambda t: t.assign(death=t["death"].astype(str)),
    "labels as booleans": lambda t: t.assign(death=t["death"].astype(bool)),
    "values as whole numbers": lambda t: t.assign(heart_rate=t["heart_rate"].round().astype(int)),
    "values in double precision": lambda t: t.astype({"heart_rate": "float64"}),
    "rows in another order": lambda t: t.sample(frac=1, random_state=0),
    "one class": lambda t: t.assign(death=np.int8(1)),
    "longer stays": lambda _: table(10, length=5),
    "shorter stays": lambda _: table(10, length=2),
    "no value of a feature": lambda t: t.assign(heart_rate=np.nan),
}


@pytest.mark.parametrize("what", OTHER_PRODUCTS)
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_tables_of_other_products_differ_a_little(
    client: httpx.Client, store: ArtifactStore, dataset_id: str, what: str, form: str
) -> None:
    frame = OTHER_PRODUCTS[what](table(10))  # type: ignore[no-untyped-call]
    content = parquet(frame) if form == "parquet" else frame.to_csv(index=False).encode()
    response = evaluate(client, content, dataset_id=dataset_id)
    assert response.status_code == 202, response.text
    assert set(kept(store, response.json()["id"]).columns) == set(table().columns)


@pytest.mark.parametrize("what", [what for what in BAD_TABLES if "one class" not in what])
def test_a_table_that_does_not_match(client: httpx.Client, store: ArtifactStore, dataset_id: str, what: str) -> None:
    change, culprits = BAD_TABLES[what]
    check_problem(evaluate(client, parquet(change(table())), dataset_id=dataset_id), 422, *culprits)
    assert nothing_is_left(store)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table", bytes(range(256)) * 20])
def test_a_file_that_is_no_table(client: httpx.Client, store: ArtifactStore, dataset_id: str, content: bytes) -> None:
    check_problem(evaluate(client, content, dataset_id=dataset_id), 422)
    assert nothing_is_left(store)


def test_one_stay_is_too_few(client: httpx.Client, store: ArtifactStore, dataset_id: str) -> None:
    check_problem(evaluate(client, parquet(table(1)), dataset_id=dataset_id), 422, "at least 2")
    assert nothing_is_left(store)


@pytest.mark.parametrize(
    ("fields", "status", "culprit"),
    [
        ({}, 422, "/dataset_id"),
        ({"dataset_id": ""}, 422, "/dataset_id"),
        ({"dataset_id": "no-such-dataset"}, 404, "no-such-dataset"),
        ({"dataset_id": "../../etc"}, 422, "/dataset_id"),
        ({"dataset_id": "{real}", "metrics": "beauty"}, 422, "/metrics/0"),
        ({"dataset_id": "{real}", "metrics": "[1"}, 422, "/metrics"),
        ({"dataset_id": "{real}", "metrics": '{"a": 1}'}, 422, "/metrics"),
        ({"dataset_id": "{real}", "detail": "huge"}, 422, "/detail"),
        ({"dataset_id": "{real}", "seed": "-1"}, 422, "/seed"),
        ({"dataset_id": "{real}", "seed": "one"}, 422, "/seed"),
        ({"dataset_id": "{real}", "job_id": "job-1"}, 422, "/job_id"),
        ({"dataset_id": "{real}", "holdout_dataset_id": "{real}"}, 422, "holdout"),
        ({"dataset_id": "{real}", "holdout_dataset_id": "gone"}, 404, "gone"),
    ],
)
def test_fields_that_cannot_be_used(
    client: httpx.Client, store: ArtifactStore, dataset_id: str, fields: dict[str, str], status: int, culprit: str
) -> None:
    named = {name: value.replace("{real}", dataset_id) for name, value in fields.items()}
    check_problem(evaluate(client, parquet(table()), **named), status, culprit)
    assert nothing_is_left(store)


def test_a_form_without_a_file(client: httpx.Client, store: ArtifactStore, dataset_id: str) -> None:
    response = client.post("/jobs/evaluate", files={"dataset_id": (None, dataset_id)})
    check_problem(response, 422, "/file")
    assert nothing_is_left(store)


def test_the_holdout_must_be_other_stays_with_the_same_columns(client: httpx.Client, dataset_id: str) -> None:
    def upload(frame: pd.DataFrame) -> str:
        return str(client.post("/datasets", files={"file": ("t", parquet(frame))}).json()["id"])

    same, narrower = upload(table()), upload(table(30).drop(columns="sex"))
    content = parquet(table(10))
    for holdout, culprit in ((same, "the same table"), (narrower, "'sex'")):
        response = evaluate(client, content, dataset_id=dataset_id, holdout_dataset_id=holdout)
        check_problem(response, 422, culprit)
    other = upload(table(30))
    assert evaluate(client, content, dataset_id=dataset_id, holdout_dataset_id=other).status_code == 202
    assert client.delete(f"/datasets/{other}").status_code == 409


@pytest.mark.parametrize(
    ("culprit", "bait"),
    [
        ("sex", {"labels": [{"name": "sex", "categories": ["M", "X"]}]}),
        ("ventilated", {"features": [{"type": "categorical", "name": "ventilated", "categories": ["no"]}]}),
        ("heart_rate", {"features": [{"type": "categorical", "name": "heart_rate", "categories": ["60"]}]}),
        ("heart_rate", {"features": [{"type": "numerical", "name": "heart_rate", "static": True}]}),
        ("hour", {"binning": {"step": "1h", "time_unit": "h"}}),
        ("hour", {"stay_id": "hour", "time": "stay"}),
    ],
)
def test_a_schema_of_ones_own_making_does_not_count_rows_of_others(
    client: httpx.Client, dataset_id: str, culprit: str, bait: dict[str, Any]
) -> None:
    """The error of the job would tell in how many rows the holdout has a value that the bait leaves out."""
    schema = {**json.loads(SCHEMA.model_dump_json()), "labels": [], **bait}
    frame = table(4).assign(ventilated="no", heart_rate=60, sex=["M"] * 6 + ["X"] * 6)
    frame["stay"] += 3 * frame["hour"] * ("stay_id" in bait)
    baited = client.post("/datasets", files={"file": ("t", parquet(frame))}, data={"schema": json.dumps(schema)})
    assert baited.status_code == 201, baited.text
    response = evaluate(client, parquet(frame), dataset_id=baited.json()["id"], holdout_dataset_id=dataset_id)
    check_problem(response, 422, f"'{culprit}'")


@pytest.mark.parametrize("media_type", ["text/csv", "application/x-www-form-urlencoded", None])
def test_a_body_of_another_type(client: httpx.Client, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = client.post("/jobs/evaluate", content=b"a,b", headers=headers)
    check_problem(response, 415, "application/json", "multipart/form-data")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"\xff", 400), (b"[" * 100_000, 400), (b"", 400), (b"null", 422), (b"[]", 422), (b"{}", 422)],
)
def test_a_body_that_is_no_json_or_not_ours(client: httpx.Client, body: bytes, status: int) -> None:
    response = client.post("/jobs/evaluate", content=body, headers={"Content-Type": "application/json"})
    check_problem(response, status)


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"job_id": None}, "job_id"),
        ({"table": {"n_stays": 3, "sha256": "", "bytes": 1}}, "job_id"),
        ({"job_id": None, "table": {"n_stays": 3, "sha256": "", "bytes": 1}}, "/table"),
        ({"more": 1}, "/more"),
        ({"detail": "huge"}, "/detail"),
        ({"metrics": ["beauty"]}, "/metrics/0"),
        ({"holdout_dataset_id": "data-1"}, "holdout"),
    ],
)
def test_json_that_cannot_be_met(client: httpx.Client, change: dict[str, Any], culprit: str) -> None:
    body = {"dataset_id": "data-1", "job_id": "job-1"} | change
    check_problem(client.post("/jobs/evaluate", json=body), 422, culprit)


def test_json_takes_the_same_choices(client: httpx.Client, store: ArtifactStore, dataset_id: str) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    body = {"dataset_id": dataset_id, "job_id": "job-1", "detail": "full", "seed": 3, "metrics": ["dcr_share"]}
    job = client.post("/jobs/evaluate", json=body).json()
    assert {name: job["request"][name] for name in body} == body
    assert job["request"]["table"] is None


def test_a_table_beyond_the_limits(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, max_upload_bytes=50_000, max_body_bytes=2000)

    def endless(start: bytes) -> Iterator[bytes]:
        yield start
        yield from (b"x" * 65536 for _ in range(50))

    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client:
        start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        headers = {"Content-Type": "Multipart/Form-Data; boundary=b"}
        check_problem(client.post("/jobs/evaluate", content=endless(start), headers=headers), 413, "50000")
        json_headers = {"Content-Type": "application/json"}
        check_problem(client.post("/jobs/evaluate", content=endless(b'{"a": "'), headers=json_headers), 413, "2000")
        assert list(ArtifactStore(tmp_path).staging_root.iterdir()) == []


def test_without_redis_the_table_is_not_kept(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client:
        dataset_id = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()["id"]
        check_problem(evaluate(client, parquet(table(9)), dataset_id=dataset_id), 503)
    assert nothing_is_left(ArtifactStore(tmp_path))


def test_the_name_of_a_file_is_only_its_name(client: httpx.Client, jobs: JobStore, dataset_id: str) -> None:
    files = {"file": ("..\\..\\C:/secret/stays.csv", table(9).to_csv(index=False).encode())}
    job = client.post("/jobs/evaluate", files=files, data={"dataset_id": dataset_id}).json()
    assert job["request"]["table"]["filename"] == "stays.csv"


def test_the_document_shows_both_forms(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/jobs/evaluate"]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/EvaluateRequest"}
    assert content["multipart/form-data"]["schema"]["required"] == ["file", "dataset_id"]
    assert json.dumps(operation)
