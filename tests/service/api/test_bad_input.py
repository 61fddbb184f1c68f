"""The bad inputs that the project has promised to answer well: a 4xx problem that names the culprit, and no value."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from service.api.app import create_app
from service.api.fields import MAX_ERRORS
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.making import SCHEMA, SECRET, add_model, parquet, table

Change = Callable[[pd.DataFrame], pd.DataFrame]


def check_problem(response: httpx.Response, status: int, *culprits: str) -> dict[str, Any]:
    """The answer is a problem document of this status that names the culprits and quotes no patient's value."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert problem["status"] == status
    assert problem["type"].startswith("urn:cdmt:problem:")
    assert problem["request_id"] == response.headers["x-request-id"]
    for culprit in culprits:
        assert culprit in problem["detail"], problem["detail"]
    assert "Traceback" not in response.text
    assert str(int(SECRET)) not in response.text
    return problem


def upload(client: httpx.Client, content: bytes, *, schema: bool = False) -> httpx.Response:
    data = {"schema": SCHEMA.model_dump_json()} if schema else {}
    return client.post("/datasets", files={"file": ("table.parquet", content)}, data=data)


def nothing_is_left(client: httpx.Client, store: ArtifactStore) -> bool:
    return store.ids("datasets") == [] and list(store.staging_root.iterdir()) == [] and client.get("/livez").is_success


def text_in_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    values = frame["heart_rate"].astype(str)
    values.iloc[3] = f"{SECRET} bpm"
    return frame.assign(heart_rate=values)


def changing_label(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(death=frame["death"].where(frame.index != 0, np.int8(1)))


def many_columns(frame: pd.DataFrame) -> pd.DataFrame:
    more = pd.DataFrame(1.0, index=frame.index, columns=[f"c{n}" for n in range(200)])
    return pd.concat([frame, more], axis=1)


def one_value(column: str, value: float) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.astype({column: "float64"})
        changed.loc[4, column] = value
        return changed

    return change


BAD_TABLES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "text in a numerical column": (text_in_numbers, ("heart_rate",)),
    "duplicate (stay, time)": (lambda t: pd.concat([t, t.iloc[[5]]]), ("stay", "hour")),
    "label that changes within a stay": (changing_label, ("death",)),
    "label with one class": (lambda t: t.assign(death=np.int8(1)), ("death",)),
    "missing label": (one_value("death", np.nan), ("death",)),
    "infinite value": (one_value("heart_rate", np.inf), ("heart_rate",)),
    "infinite time": (one_value("hour", np.inf), ("hour",)),
    "missing time": (one_value("hour", np.nan), ("hour",)),
    "broken time": (one_value("hour", 0.5), ("hour",)),
    "missing stay": (one_value("stay", np.nan), ("stay",)),
    "missing column": (lambda t: t.drop(columns="sex"), ("sex",)),
    "unknown category": (lambda t: t.assign(ventilated=t["ventilated"].replace("yes", str(SECRET))), ("ventilated",)),
    "no rows": (lambda t: t.iloc[:0], ("rows",)),
    "200 columns": (many_columns, ("206", "columns")),
}


@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_table_that_does_not_match_its_schema(client: httpx.Client, store: ArtifactStore, what: str) -> None:
    change, culprits = BAD_TABLES[what]
    check_problem(upload(client, parquet(change(table())), schema=True), 422, *culprits)
    assert nothing_is_left(client, store)


def test_a_missing_measurement_is_no_error(client: httpx.Client) -> None:
    response = upload(client, parquet(one_value("heart_rate", np.nan)(table())), schema=True)
    assert response.status_code == 201
    assert response.json()["missing_rate"]["heart_rate"] == 0  # told in steps of 10 stays


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   \n",
        b"PAR1",
        b"PAR1 is how it starts",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        bytes(range(256)) * 20,
        b"one\n1\n",
    ],
)
def test_a_file_that_is_no_table(client: httpx.Client, store: ArtifactStore, content: bytes) -> None:
    check_problem(upload(client, content), 422, "file")
    assert nothing_is_left(client, store)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_a_truncated_parquet(client: httpx.Client, store: ArtifactStore, kept: float) -> None:
    whole = parquet(table())
    check_problem(upload(client, whole[: int(kept * len(whole))]), 422, "Parquet", "truncated")
    assert nothing_is_left(client, store)


def test_a_csv_with_ragged_rows_quotes_none_of_them(client: httpx.Client, store: ArtifactStore) -> None:
    content = table().to_csv(index=False) + f"1,2,{SECRET}\n"
    check_problem(upload(client, content.encode()), 422, "CSV")
    assert nothing_is_left(client, store)


def test_repeated_column_names(client: httpx.Client) -> None:
    lines = table().to_csv(index=False).replace("sex", "death", 1)
    check_problem(upload(client, lines.encode()), 422, "death")


def test_unicode_column_names_work(client: httpx.Client) -> None:
    names = {"heart_rate": "Herzfrequenz ♥ (1/min)", "death": "死亡"}
    response = upload(client, parquet(table().rename(columns=names)))
    assert response.status_code == 201
    assert set(names.values()) <= set(response.json()["columns"])


@pytest.mark.parametrize("category", ["a\nb", "a\x1b[2J", "a\u202eb", "a\u2066b", "\u200b", "a\x85b"])
def test_categories_that_cannot_be_shown_or_turn_around_what_follows(client: httpx.Client, category: str) -> None:
    frame = table()
    frame = frame.assign(ventilated=frame["ventilated"].replace("yes", category))
    check_problem(upload(client, parquet(frame)), 422, "ventilated")
    schema = json.loads(SCHEMA.model_dump_json())
    schema["features"][-1]["categories"] = ["no", category]
    answer = client.post("/datasets", files={"file": ("t", parquet(frame))}, data={"schema": json.dumps(schema)})
    check_problem(answer, 422, "/schema/features/")


@pytest.mark.parametrize("name", ["a\r\nb", "a\u202eb", "\u2067a", "a\x7f", "\ufeffa", "a" * 129])
def test_names_that_cannot_be_shown(client: httpx.Client, name: str) -> None:
    check_problem(client.post("/jobs/train", json={"dataset_id": "data-1", "name": name}), 422, "/name")
    data = {"name": name} if "\r" not in name else {"name": "a\x00b"}
    check_problem(client.post("/datasets", files={"file": ("t", parquet(table()))}, data=data), 422, "/name")


def test_column_names_that_cannot_be_shown(client: httpx.Client) -> None:
    response = upload(client, parquet(table().rename(columns={"heart_rate": "heart\x00rate"})))
    check_problem(response, 422)


def connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=10)


def raw(client: httpx.Client, request: bytes) -> str:
    """What comes back for a request that no client library would send."""
    with connect(client) as connection:
        connection.sendall(request)
        return connection.recv(65536).decode()


@pytest.mark.parametrize("path", ["/datasets", "/models", "/jobs/evaluate", "/jobs/generate", "/jobs/job-1/cancel"])
def test_ten_gigabytes_announced_are_refused_before_they_come(client: httpx.Client, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    answer = raw(client, f"{head}Content-Length: {10 * 2**30}\r\n\r\n".encode())
    assert answer.startswith("HTTP/1.1 413 ")
    assert "application/problem+json" in answer
    assert "connection: close" in answer.lower()


def test_a_body_that_grows_too_long_is_cut_off(client: httpx.Client, store: ArtifactStore) -> None:
    def endless() -> Iterator[bytes]:
        yield b"--b\r\nContent-Disposition: form-data; name=schema\r\n\r\n"
        yield from (b"x" * 65536 for _ in range(100))

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = client.post("/datasets", content=endless(), headers=headers)
    check_problem(response, 422, "/schema")
    response = client.post("/jobs/generate", content=endless(), headers={"Content-Type": "application/json"})
    check_problem(response, 413)
    assert nothing_is_left(client, store)


def test_an_upload_that_grows_too_long_is_cut_off(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, max_upload_bytes=100_000)

    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield from (b"x" * 65536 for _ in range(100))

    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        check_problem(client.post("/datasets", content=endless(), headers=headers), 413, "100000")
        assert nothing_is_left(client, ArtifactStore(tmp_path))


@pytest.mark.parametrize("path", ["/datasets", "/jobs/generate"])
def test_a_body_that_dawdles_is_not_waited_for(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("service.api.middleware.PATIENCE_SECONDS", 0.3)
    kind = "multipart/form-data; boundary=b" if path == "/datasets" else "application/json"

    begin = time.monotonic()
    with connect(client) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n".encode())
        connection.sendall(b"Content-Length: 1000\r\n\r\n--b\r\n")
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "application/problem+json" in answer
    assert time.monotonic() - begin < 8
    assert nothing_is_left(client, store)


def test_a_large_body_has_the_time_that_it_needs(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.middleware.PATIENCE_SECONDS", 0.3)

    def parts() -> Iterator[bytes]:
        for _ in range(12):
            time.sleep(0.05)
            yield b" " * 1024

    answer = client.post("/jobs/generate", content=parts(), headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


def test_a_client_that_goes_away_leaves_nothing(
    client: httpx.Client, store: ArtifactStore, log_lines: io.StringIO
) -> None:
    head = b"POST /datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    part = b'Content-Length: 1000000\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nPAR1'
    with connect(client) as connection:
        connection.sendall(head + part)
        wait_until(lambda: any(store.staging_root.iterdir()))
    wait_until(lambda: not any(store.staging_root.iterdir()))
    wait_until(lambda: "the client went away" in log_lines.getvalue())
    assert "unexpected error" not in log_lines.getvalue()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


GENERATE = {"model_id": "model-1", "n_stays": 10}


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"n_stays": 0}, "/n_stays"),
        ({"n_stays": 10**9}, "n_stays"),
        ({"n_stays": 10**400}, "n_stays"),
        ({"n_stays": "many"}, "/n_stays"),
        ({"n_stays": None}, "/n_stays"),
        ({"n_stay": 3}, "/n_stay"),
        ({"sampler": {"n_steps": 0}}, "/sampler/n_steps"),
        ({"sampler": {"n_steps": 10**6}}, "/sampler/n_steps"),
        ({"sampler": {"solver": "magic"}}, "/sampler/solver"),
        ({"sampler": {"guidance_scale": {"numerical": -1}}}, "/sampler/guidance_scale/numerical"),
        ({"sampler": {"guidance_scale": {"labels": {"deaht": 2}}}}, "deaht"),
        ({"sampler": {"solver": "euler", "churn": 0.5}}, "churn"),
        ({"preset": "nature"}, "/preset"),
        ({"preset": ["paper"]}, "/preset"),
        ({"preset": {"name": "paper"}}, "/preset"),
        ({"preset": "paper", "sampler": {"churn": 0.5}}, "churn"),
        ({"mode": "unconditional", "label_ratios": "balanced"}, "unconditional"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**63}, "/seed"),
        ({"missing": "zero"}, "/missing"),
        ({"format": "xlsx"}, "/format"),
        ({"model_id": "../../etc"}, "/model_id"),
        ({"label_ratios": {"deaht": "balanced"}}, "deaht"),
        ({"label_ratios": {"death": {"0": 0.5, "2": 0.5}}}, "'2'"),
        ({"label_ratios": {"death": {"0": 0.5, "1": 0.4}}}, "0.9"),
        ({"label_ratios": {"death": {"0": 1.5, "1": -0.5}}}, "/label_ratios/death/"),
        ({"label_ratios": {"death": {}}}, "death"),
        ({"label_ratios": []}, "/label_ratios"),
        ({"label_ratios": "balancd"}, "/label_ratios"),
        ({"label_ratios": "balanced"}, "exactly one label"),
        ({"label_ratios": [{"labels": {"death": "1"}, "ratio": 0.3}]}, "0.3"),
        ({"label_ratios": [{"labels": {"death": "1"}, "ratio": 1}, {"labels": {"sex": "F"}, "ratio": 0}]}, "stratum 1"),
    ],
)
def test_a_generate_request_that_cannot_be_met(
    client: httpx.Client, store: ArtifactStore, change: dict[str, object], culprit: str
) -> None:
    add_model(store)
    check_problem(client.post("/jobs/generate", json=GENERATE | change), 422, culprit)
    assert store.ids("jobs") == []


def test_an_unknown_model_or_dataset(client: httpx.Client) -> None:
    check_problem(client.post("/jobs/generate", json=GENERATE | {"model_id": "model-9"}), 404, "model 'model-9'")
    body = {"dataset_id": "data-9", "name": "a"}
    check_problem(client.post("/jobs/train", json=body), 404, "dataset 'data-9'")
    body = {"dataset_id": "data-9", "job_id": "job-9"}
    check_problem(client.post("/jobs/evaluate", json=body), 404, "job 'job-9'")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"model_id": "model-1", "n_stays": ' + b"9" * 5000 + b"}", 400),
        (b'{"model_id": "model-1", "n_stays": NaN}', 422),
        (b'{"model_id": "model-1", "n_stays": 1, "sampler": {"guidance_scale": Infinity}}', 422),
        (b'{"model_id": "\\ud800", "n_stays": 1}', 422),
    ],
)
def test_a_body_that_is_no_json_or_not_ours(client: httpx.Client, body: bytes, status: int) -> None:
    response = client.post("/jobs/generate", content=body, headers={"Content-Type": "application/json"})
    check_problem(response, status)
    assert client.get("/livez").is_success


@pytest.mark.parametrize(
    "body",
    [
        {f"a{number}": 1 for number in range(20_000)},
        {"model_id": "model-1", "n_stays": 1, "label_ratios": [1] * 100_000},
    ],
    ids=["fields", "strata"],
)
def test_a_body_with_very_many_errors_is_soon_answered(client: httpx.Client, body: dict[str, Any]) -> None:
    """Everybody waits meanwhile. Once, the time grew with the square of the number of errors, to half an hour."""
    start = time.monotonic()
    problem = check_problem(client.post("/jobs/generate", json=body), 422)
    assert time.monotonic() - start < 20
    assert len(problem["errors"]) <= MAX_ERRORS


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_a_body_that_does_not_call_itself_json(client: httpx.Client, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = client.post("/jobs/generate", content=json.dumps(GENERATE).encode(), headers=headers)
    check_problem(response, 415, "application/json")


def test_an_upload_that_is_no_form(client: httpx.Client) -> None:
    check_problem(client.post("/datasets", json={}), 415, "multipart/form-data")
    check_problem(client.post("/models", content=b"PK"), 415, "multipart/form-data")


@pytest.mark.parametrize("path", ["/jobs/", "/datasets/", "/models/"])
@pytest.mark.parametrize(
    "thing_id",
    [
        "nothing",
        "a.b",
        "%2e%2e%2fjobs",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e%252fjobs",
        "..%5c..%5cx",
        "%c0%ae%c0%ae",
        "x" * 3000,
        "%00",
        "ä",
    ],
)
def test_ids_that_name_nothing(client: httpx.Client, path: str, thing_id: str) -> None:
    check_problem(client.get(path + thing_id), 404)
    check_problem(client.delete(path + thing_id), 404)


def test_paths_and_methods_that_are_not_there(client: httpx.Client) -> None:
    check_problem(client.get("/cohorts"), 404)
    check_problem(client.put("/jobs"), 405)
    check_problem(client.get("/static-offline-docs/nothing.js"), 404)


def test_a_full_disk(client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    buffer = io.BytesIO()
    table().to_csv(buffer, index=False)
    check_problem(upload(client, buffer.getvalue()), 507, "disk full")
    assert nothing_is_left(client, store)


def test_another_failure_of_the_disk(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", "/srv/secret/path")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", forbidden)
    assert "secret" not in json.dumps(check_problem(upload(client, table().to_csv(index=False).encode()), 500))


def test_an_error_that_nobody_foresaw_says_nothing_about_itself(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError(f"could not convert {SECRET}")

    monkeypatch.setattr("service.api.checking.arrange", fail)
    problem = check_problem(upload(client, table().to_csv(index=False).encode()), 500)
    assert nothing_is_left(client, store)
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    told = next(line for line in lines if line["event"] == "unexpected error")
    assert told["request_id"] == problem["request_id"]
    assert told["exception"] == "ValueError"
    assert any("ingest.py" in frame for frame in told["frames"])
    assert str(int(SECRET)) not in log_lines.getvalue()


@pytest.mark.parametrize("body", [rb'{"\ud800": 1}', rb'{"model_id": "\ud800", "n_stays": 1}', rb'{"kind": "\ud800"}'])
def test_a_lone_surrogate(client: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    check_problem(client.post("/jobs/generate", content=body, headers=headers), 422)


@pytest.mark.parametrize("host", ["evil.example.org", "localhost.evil.org:80", "127.0.0.1.evil.org", "[::1].org"])
def test_a_name_that_was_made_to_point_here(client: httpx.Client, host: str) -> None:
    check_problem(client.get("/livez", headers={"Host": host}), 421, "CDMT_AUTH")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000"])
def test_a_name_of_this_machine(client: httpx.Client, host: str) -> None:
    assert client.get("/livez", headers={"Host": host}).is_success


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_a_proxy_passes_on_is_not_from_this_machine(client: httpx.Client, header: str) -> None:
    check_problem(client.get("/jobs", headers={header: "192.0.2.7"}), 421, "CDMT_AUTH", "proxy")


@pytest.mark.parametrize(
    ("change", "status"), [({"host": "127.9.9.9"}, 421), ({"host": "icu.example.org"}, 200), ({"auth": "keys"}, 200)]
)
def test_the_configured_name_is_taken_and_with_keys_any(tmp_path: Path, change: dict[str, Any], status: int) -> None:
    settings = Settings(data_dir=tmp_path, **change)
    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client:
        assert client.get("/livez", headers={"Host": f"{settings.host}:80"}).is_success
        other = client.get("/livez", headers={"Host": "other.example.org"})
    assert other.status_code == status
