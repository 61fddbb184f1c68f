from __future__ import annotations

import hashlib
import json
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from model.data.arrange import arrange
from model.data.readers import read_table
from model.spec.schema import Schema
from service.contracts.records import TABLE
from service.contracts.storage import ArtifactStore
from tests.service.making import SCHEMA, parquet, table


def upload(client: httpx.Client, content: bytes, *, name: str = "table.parquet", **fields: str) -> httpx.Response:
    return client.post("/datasets", files={"file": (name, content)}, data=fields)


def test_an_upload_is_described_by_counts(client: httpx.Client) -> None:
    content = parquet(table())
    response = upload(client, content, schema=SCHEMA.model_dump_json(), name="ICU 2024.parquet")
    assert response.status_code == 201
    record = response.json()
    assert response.headers["location"] == f"/datasets/{record['id']}"
    assert record["name"] == "ICU 2024"
    assert record["schema"] == SCHEMA.model_dump(mode="json")
    assert not record["schema_inferred"]
    assert (record["n_stays"], record["n_rows"], record["sequence_length"]) == (40, 120, 3)
    assert record["label_counts"] == {"death": {"0": 20, "1": 20}, "sex": {"F": 26, "M": 14}}
    assert record["missing_rate"] == {"heart_rate": 0, "ventilated": 0}
    assert (record["n_short_stays"], record["n_cut_stays"], record["clipped"]) == (0, 0, {"heart_rate": 0})
    assert (record["sha256"], record["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert client.get(f"/datasets/{record['id']}").json() == record


def test_a_dry_run_describes_a_table_and_stores_nothing(client: httpx.Client, store: ArtifactStore) -> None:
    answer = client.post("/datasets?dry_run=true", files={"file": ("table.parquet", parquet(table()))})
    assert answer.status_code == 200
    looked_at = answer.json()
    assert looked_at["id"] == "not-stored"
    assert client.get("/datasets").json()["items"] == []
    assert list((store.root / "staging").iterdir()) == []
    stored = upload(client, parquet(table())).json()
    same = looked_at.keys() - {"id", "created_at", "files"}
    assert {name: looked_at[name] for name in same} == {name: stored[name] for name in same}


def test_a_dry_run_finds_what_is_wrong(client: httpx.Client) -> None:
    answer = client.post("/datasets?dry_run=true", files={"file": ("table.csv", b"no,table\n1")})
    assert answer.status_code == 422


def test_what_is_stored_reads_as_what_was_sent(client: httpx.Client, store: ArtifactStore, tmp_path: Path) -> None:
    frame = table().assign(unused=1.5)
    frame.loc[7, "heart_rate"] = None
    (tmp_path / "sent").write_bytes(parquet(frame))
    record = store.dataset(upload(client, parquet(frame), schema=SCHEMA.model_dump_json()).json()["id"])
    stored = read_table(store.dataset_dir(record.id) / TABLE)
    assert list(stored.columns) == list(table().columns)
    expected = arrange(read_table(tmp_path / "sent"), SCHEMA)
    assert arrange(stored, SCHEMA).layout == expected.layout
    assert {column.name: column.dtype for column in expected.layout.columns} == record.columns
    assert record.columns["heart_rate"] == "double"
    assert record.columns["hour"] == "int8"
    assert [path.name for path in store.dataset_dir(record.id).iterdir() if path.name != "record.json"] == [TABLE]


def test_csv_gives_the_same_dataset(client: httpx.Client) -> None:
    content = table().to_csv(index=False).encode()
    record = upload(client, content, name="table.csv", schema=SCHEMA.model_dump_json()).json()
    assert record["label_counts"] == {"death": {"0": 20, "1": 20}, "sex": {"F": 26, "M": 14}}
    assert record["columns"]["death"] == "int64"


def test_without_a_schema_one_is_inferred_and_returned(client: httpx.Client) -> None:
    record = upload(client, parquet(table())).json()
    schema = Schema.model_validate(record["schema"])
    assert record["schema_inferred"]
    assert (schema.stay_id, schema.time, schema.sequence_length) == ("stay", "hour", 3)


def test_challenge_2012_needs_no_schema(client: httpx.Client, challenge2012: Path) -> None:
    response = upload(client, challenge2012.read_bytes(), name=challenge2012.name)
    assert response.status_code == 201
    record = response.json()
    assert record["name"] == "challenge2012_hourly_0_24"
    assert record["sequence_length"] == 25
    assert "in_hospital_death" in record["label_counts"]


def test_out_of_bounds_short_and_long_stays_are_counted(client: httpx.Client) -> None:
    frame = table(length=4)
    frame.loc[0, "heart_rate"] = 4000
    frame = frame[~((frame["stay"] == 101) & (frame["hour"] > 0))]
    record = upload(client, parquet(frame), schema=SCHEMA.model_dump_json()).json()
    assert record["clipped"] == {"heart_rate": 5}  # 1 to 10 are told as 5
    assert (record["n_short_stays"], record["n_cut_stays"]) == (5, 35)  # and 5 in the place of 1 makes 39 35


def stamped(n_stays: int = 40) -> pd.DataFrame:
    """The table with two rows an hour, at time stamps instead of hours; its stays begin on different days."""
    frame = pd.concat([table(n_stays), table(n_stays).assign(heart_rate=lambda t: t["heart_rate"] + 1)])
    minutes = frame.pop("hour").astype(int) * 60 + np.repeat([0, 30], len(frame) // 2)
    days = pd.to_timedelta(frame["stay"] * 3, unit="D")
    return frame.assign(charttime=pd.Timestamp("2150-03-04 05:06:07") + days + pd.to_timedelta(minutes, unit="min"))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_time_stamps_are_binned_by_a_rule_that_is_inferred_and_may_be_changed(
    client: httpx.Client, store: ArtifactStore, form: str
) -> None:
    content = parquet(stamped()) if form == "parquet" else stamped().to_csv(index=False).encode()
    record = upload(client, content).json()
    schema = record["schema"]
    assert schema["binning"] == {"step": "1h", "time_unit": None, "aggregate": "mean", "origin": "first"}
    assert (schema["time"], record["sequence_length"]) == ("charttime", 3)
    assert record["columns"]["charttime"] == ("timestamp[us]" if form == "parquet" else "timestamp[ms]")
    assert (record["n_rows"], record["n_rows_merged"], record["n_rows_before"], record["n_rows_beyond"]) == (
        240,
        120,
        0,
        0,
    )
    stored = read_table(store.dataset_dir(record["id"]) / TABLE)
    arranged = arrange(stored, Schema.model_validate(schema))
    assert {column.name: column.dtype for column in arranged.layout.columns} == record["columns"]
    whole = table()
    expected = whole["heart_rate"].to_numpy().reshape(40, 3) + 0.5
    assert arranged.stays.numerical[:, :, 0].tolist() == expected.tolist()

    schema["binning"] |= {"step": "30min", "aggregate": "last"}
    changed = upload(client, content, schema=json.dumps(schema)).json()
    assert (changed["n_rows_merged"], changed["n_rows_beyond"], changed["n_cut_stays"]) == (0, 120, 40)


def test_minutes_are_binned_and_what_lies_before_is_counted(client: httpx.Client) -> None:
    frame = table().rename(columns={"hour": "minutes"}).astype({"minutes": float})
    frame["minutes"] = frame["minutes"] * 60 - 59.5
    record = upload(client, parquet(frame)).json()
    assert record["schema"]["binning"] == {"step": "1h", "time_unit": "min", "aggregate": "mean", "origin": "zero"}
    assert (record["n_rows_before"], record["n_rows_merged"], record["sequence_length"]) == (40, 0, 2)


@pytest.mark.parametrize(
    ("binning", "pointer", "says"),
    [
        ({"step": "1 hour"}, "/schema/binning/step", "not a duration such as"),
        ({"step": "1h", "time_unit": "hours"}, "/schema/binning/time_unit", "'h'"),
        ({"step": "1h"}, None, "holds numbers; give their unit as binning.time_unit"),
    ],
)
def test_a_binning_that_is_none(client: httpx.Client, binning: dict[str, str], pointer: str | None, says: str) -> None:
    schema = SCHEMA.model_dump(mode="json") | {"binning": binning}
    response = upload(client, parquet(table()), schema=json.dumps(schema))
    assert response.status_code == 422
    assert says in response.text
    if pointer is not None:
        assert response.json()["errors"][0]["pointer"] == pointer


def test_the_schema_may_come_as_a_file(client: httpx.Client) -> None:
    files = {"file": ("t.parquet", parquet(table())), "schema": ("schema.json", SCHEMA.model_dump_json().encode())}
    assert client.post("/datasets", files=files).json()["schema"] == SCHEMA.model_dump(mode="json")


@pytest.mark.parametrize(
    ("schema", "culprit"),
    [
        ("{", "/schema"),
        ("[]", "/schema"),
        ("[" * 100_000, "/schema"),
        ('{"stay_id": NaN}', "/schema"),
        (json.dumps(SCHEMA.model_dump() | {"stay": "stay"}), "/schema/stay"),
        (json.dumps({k: v for k, v in SCHEMA.model_dump().items() if k != "time"}), "/schema/time"),
        (json.dumps(SCHEMA.model_dump() | {"features": [{"type": "text", "name": "a"}]}), "/schema/features/0"),
        (json.dumps(SCHEMA.model_dump() | {"features": [{"type": "numerical"}]}), "/schema/features/0/name"),
        (json.dumps(SCHEMA.model_dump() | {"sequence_length": 10**9}), "/schema/sequence_length"),
        (json.dumps(SCHEMA.model_dump() | {"rules": ["heart_rate <= map"]}), "'map'"),
    ],
)
def test_a_schema_that_is_none(client: httpx.Client, schema: str, culprit: str) -> None:
    response = upload(client, parquet(table()), schema=schema)
    assert response.status_code == 422, response.text
    assert culprit in response.json()["detail"]
    assert response.json()["errors"][0]["pointer"].startswith("/schema")


def test_forms_that_are_not_ours(client: httpx.Client) -> None:
    content = parquet(table())
    assert upload(client, content, nmae="a").json()["errors"][0]["pointer"] == "/nmae"
    assert upload(client, content, name_="a\nb").status_code == 422
    assert client.post("/datasets", files={"name": (None, "a")}).json()["errors"][0]["pointer"] == "/file"
    twice = [("file", ("a", content)), ("file", ("b", content))]
    assert client.post("/datasets", files=twice).json()["errors"][0]["message"] == "given more than once"


@pytest.mark.parametrize(
    "body", [b"", b"--b\r\n", b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\nabc", b"x"]
)
def test_broken_forms(client: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = client.post("/datasets", content=body, headers=headers)
    assert response.status_code == 400
    assert client.post("/datasets", content=body, headers={"Content-Type": "multipart/form-data"}).status_code == 400


def test_names_are_text(client: httpx.Client) -> None:
    body = parquet(table())
    named = client.post("/datasets", files={"file": ("../../x.parquet", body), "name": (None, "Häuser 7")})
    assert named.json()["name"] == "Häuser 7"
    assert upload(client, body, name="../../x.parquet").json()["name"] == "x"
    assert upload(client, body, name=".").json()["name"] == "dataset"
    long = client.post("/datasets", files={"file": ("x", body), "name": (None, "a" * 129)})
    assert long.json()["errors"][0]["pointer"] == "/name"


def test_datasets_are_listed_newest_first_and_deleted(client: httpx.Client) -> None:
    ids = [upload(client, parquet(table())).json()["id"] for _ in range(3)]
    assert [record["id"] for record in client.get("/datasets").json()["items"]] == ids[::-1]
    assert client.delete(f"/datasets/{ids[0]}").status_code == 204
    assert client.get(f"/datasets/{ids[0]}").status_code == 404
    assert client.delete(f"/datasets/{ids[0]}").status_code == 404
    assert [record["id"] for record in client.get("/datasets").json()["items"]] == ids[:0:-1]


def test_a_dataset_is_kept_while_a_job_needs_it(client: httpx.Client) -> None:
    dataset_id = upload(client, parquet(table())).json()["id"]
    job = client.post("/jobs/train", json={"dataset_id": dataset_id, "name": "a"}).json()
    refused = client.delete(f"/datasets/{dataset_id}")
    assert refused.status_code == 409
    assert job["id"] in refused.json()["detail"]
    client.post(f"/jobs/{job['id']}/cancel")
    assert client.delete(f"/datasets/{dataset_id}").status_code == 204


def test_no_path_gives_a_table_back(client: httpx.Client) -> None:
    dataset_id = upload(client, parquet(table())).json()["id"]
    for path in ("file", "table", TABLE, "download", "record.json"):
        assert client.get(f"/datasets/{dataset_id}/{path}").status_code == 404
