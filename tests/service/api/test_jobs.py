from __future__ import annotations

import io
import threading
import time

import httpx
import pandas as pd
import pytest
from redis import Redis

from service.contracts import live
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import REPORT_JSON, ReportRecord
from service.contracts.requests import EvaluateRequest, GenerateRequest
from service.contracts.storage import RECORD, ArtifactStore, manifest, write_record
from tests.service.making import add_job, add_model, cohort_table, finish_generate, parquet, table


@pytest.fixture(autouse=True)
def _model(store: ArtifactStore) -> None:
    add_model(store)


def generate(client: httpx.Client, **change: object) -> httpx.Response:
    return client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2} | change)


def finished(client: httpx.Client, store: ArtifactStore, **change: object) -> str:
    job_id = str(generate(client, **change).json()["id"])
    finish_generate(store, job_id)
    return job_id


def test_a_submitted_job_is_accepted(client: httpx.Client, jobs: JobStore) -> None:
    response = generate(client, label_ratios={"death": {"0": 0.3, "1": 0.7}})
    assert response.status_code == 202
    job = response.json()
    here = f"/jobs/{job['id']}"
    assert response.headers["location"] == here
    assert int(response.headers["retry-after"]) >= 1
    assert (job["kind"], job["status"], job["model_id"], job["attempts"]) == ("generate", "queued", "model-1", 0)
    assert job["queue_position"] == 0
    assert job["request"]["label_ratios"] == {"death": {"0": 0.3, "1": 0.7}}
    links = {"self": here, "cancel": f"{here}/cancel", "events": f"{here}/events"}
    assert job["links"] == links | {"cohort": None, "report": None, "model": None}
    assert set(job) == {
        *(
            "id",
            "kind",
            "status",
            "caller",
            "created_at",
            "started_at",
            "finished_at",
            "progress",
            "request",
            "model_id",
        ),
        *("attempts", "queue_position", "result", "error", "privacy_overrides", "expires_at", "webhook", "links"),
    }
    assert client.get(here).json() == job
    assert jobs.read(job["id"]).request_id == response.headers["x-request-id"]


@pytest.mark.parametrize(
    "label_ratios",
    [
        None,
        {"death": "balanced"},
        {"death": "balanced", "sex": {"F": 1}},
        [{"labels": {"death": "1", "sex": "F"}, "ratio": 0.25}, {"labels": {"death": "0", "sex": "F"}, "ratio": 0.75}],
    ],
)
def test_every_form_of_ratios_is_taken(client: httpx.Client, label_ratios: object) -> None:
    assert generate(client, label_ratios=label_ratios).status_code == 202


def test_a_training_is_submitted(client: httpx.Client) -> None:
    dataset = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()
    body = {"dataset_id": dataset["id"], "name": "a", "training": {"max_minutes": 5}, "network": {"hidden_dim": 16}}
    job = client.post("/jobs/train", json=body).json()
    assert (job["kind"], job["status"], job["model_id"]) == ("train", "queued", None)
    assert job["request"]["training"]["max_minutes"] == 5


def test_a_private_training_of_a_table_without_bounds_is_refused(client: httpx.Client) -> None:
    frame = table().assign(biomarker=lambda stays: stays["stay"] / 7)
    dataset = client.post("/datasets", files={"file": ("t", parquet(frame))}).json()
    body = {"dataset_id": dataset["id"], "name": "a", "training": {"privacy": {"epsilon": 8}}}
    refused = client.post("/jobs/train", json=body)
    assert refused.status_code == 422
    assert "feature 'biomarker'" in refused.json()["detail"]


def test_polling_shows_progress(client: httpx.Client, jobs: JobStore, redis: Redis) -> None:
    job_id = generate(client).json()["id"]
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": "running", "attempts": 1}))
    live.write_progress(redis, job_id, live.Progress(step="sampling", value=1, max=2, eta_seconds=0.5))
    response = client.get(f"/jobs/{job_id}")
    assert response.json()["progress"] == {"step": "sampling", "value": 1, "max": 2, "eta_seconds": 0.5, "losses": []}
    assert response.json()["queue_position"] is None
    assert "retry-after" in response.headers


def test_a_finished_job_says_where_its_results_are(client: httpx.Client, store: ArtifactStore) -> None:
    here = f"/jobs/{finished(client, store)}"
    response = client.get(here)
    job = response.json()
    assert job["status"] == "succeeded"
    assert job["result"]["n_stays"] == 2
    assert "retry-after" not in response.headers
    links = {"self": here, "cancel": None, "cohort": f"{here}/cohort", "report": f"{here}/report"}
    assert job["links"] == links | {"events": f"{here}/events", "model": "/models/model-1"}
    assert all(client.get(path).is_success for path in job["links"].values() if path)


def test_waiting_for_the_end(client: httpx.Client, store: ArtifactStore, jobs: JobStore) -> None:
    def finish() -> None:
        while not (waiting := list(jobs.active())):
            time.sleep(0.01)
        finish_generate(store, waiting[0].id)

    worker = threading.Thread(target=finish)
    worker.start()
    body = {"model_id": "model-1", "n_stays": 2}
    response = client.post("/jobs/generate", json=body, headers={"Prefer": "respond-async, wait=20"})
    worker.join()
    assert response.status_code == 200
    assert response.json()["status"] == "succeeded"


def test_not_waiting_for_ever(client: httpx.Client) -> None:
    start = time.monotonic()
    response = client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}, headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert 1 <= time.monotonic() - start < 3


def test_cancel(client: httpx.Client, jobs: JobStore, store: ArtifactStore) -> None:
    waiting, running = (str(generate(client).json()["id"]) for _ in range(2))
    jobs.transition(running, lambda job: job.model_copy(update={"status": "running"}))
    answers = [client.post(f"/jobs/{job_id}/cancel") for job_id in (waiting, waiting, running, running)]
    assert [answer.status_code for answer in answers] == [202, 200, 202, 202]
    assert [answer.json()["status"] for answer in answers] == ["cancelled", "cancelled", "cancelling", "cancelling"]
    refused = client.post(f"/jobs/{finished(client, store)}/cancel")
    assert refused.status_code == 409
    assert "succeeded" in refused.json()["detail"]
    assert client.post("/jobs/nothing/cancel").status_code == 404


def test_a_drawn_cohort_is_out_of_reach_until_its_gate_has_run(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore
) -> None:
    job_id = str(generate(client).json()["id"])
    drawn = {"status": "running", "attempts": 1, "stage": "evaluation", "drawn": JobResult(n_stays=2)}
    jobs.transition(job_id, lambda job: job.model_copy(update=drawn))
    with store.staging("cohort") as folder:
        store.publish(folder, "cohorts", job_id)
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["result"], job["links"]["cohort"]) == ("running", None, None)
    assert job["progress"]["step"] == "waiting for the evaluation"
    assert client.get(f"/jobs/{job_id}/cohort").status_code == 409
    assert client.delete(f"/jobs/{job_id}").status_code == 409
    assert client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert not store.exists("cohorts", job_id)
    assert client.delete(f"/jobs/{job_id}").status_code == 204


def test_the_dataset_by_which_the_gate_judges_stays_as_long_as_a_generation_needs_it(
    client: httpx.Client, store: ArtifactStore
) -> None:
    dataset_id = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()["id"]
    record = store.model("model-1").model_copy(update={"dataset_id": dataset_id})
    write_record(store.model_dir("model-1"), record)
    job_id = generate(client).json()["id"]
    assert client.delete(f"/datasets/{dataset_id}").status_code == 409
    client.post(f"/jobs/{job_id}/cancel")
    assert client.delete(f"/datasets/{dataset_id}").status_code == 204


def test_delete(client: httpx.Client, store: ArtifactStore, jobs: JobStore) -> None:
    job_id = str(generate(client).json()["id"])
    assert client.delete(f"/jobs/{job_id}").status_code == 409
    finish_generate(store, job_id)
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert client.get(f"/jobs/{job_id}").status_code == 404
    assert not store.exists("cohorts", job_id)
    assert not store.exists("reports", job_id)
    assert list(jobs.records()) == []
    assert store.exists("models", "model-1")


def test_a_deletion_that_broke_off_can_be_repeated(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = finished(client, store)
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "remove", lambda _self, _job_id: (_ for _ in ()).throw(OSError(28, "full")))
        assert client.delete(f"/jobs/{job_id}").status_code == 507
    assert not store.exists("cohorts", job_id)
    assert client.delete(f"/jobs/{job_id}").status_code == 204


def test_a_job_that_runs_keeps_its_products(client: httpx.Client, store: ArtifactStore) -> None:
    job_id = str(generate(client).json()["id"])
    (store.work_dir(job_id) / "checkpoint").touch()
    assert client.delete(f"/jobs/{job_id}").status_code == 409
    assert (store.work_dir(job_id) / "checkpoint").exists()


def test_a_record_of_another_version_does_not_hide_the_others(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore
) -> None:
    ids = [str(generate(client).json()["id"]) for _ in range(2)]
    path = store.directory("jobs", ids[0]) / RECORD
    path.write_text(path.read_text().replace("{", '{"more": 1,', 1))
    assert [job["id"] for job in client.get("/jobs").json()["items"]] == [ids[1]]
    assert [job.id for job in jobs.active()] == [ids[1]]


def test_lists_can_be_filtered_and_paged(client: httpx.Client, jobs: JobStore) -> None:
    ids = [str(generate(client).json()["id"]) for _ in range(5)]
    client.post(f"/jobs/{ids[1]}/cancel")
    first = client.get("/jobs", params={"limit": 2, "status": "queued"})
    assert [job["id"] for job in first.json()["items"]] == [ids[4], ids[3]]
    link = first.headers["link"]
    assert link.endswith('>; rel="next"')
    assert "status=queued" in link
    second = client.get(link[1 : link.index(">")])
    assert [job["id"] for job in second.json()["items"]] == [ids[2], ids[0]]
    assert second.json()["next_cursor"] is None
    assert "link" not in second.headers
    assert client.get("/jobs", params={"kind": "train"}).json()["items"] == []
    after = jobs.read(ids[3]).created_at.isoformat()
    assert [job["id"] for job in client.get("/jobs", params={"created_after": after}).json()["items"]] == [ids[4]]


def test_a_cursor_survives_the_end_of_what_it_points_to(client: httpx.Client) -> None:
    ids = [str(generate(client).json()["id"]) for _ in range(3)]
    cursor = client.get("/jobs", params={"limit": 2}).json()["next_cursor"]
    client.post(f"/jobs/{ids[1]}/cancel")
    client.delete(f"/jobs/{ids[1]}")
    assert [job["id"] for job in client.get("/jobs", params={"cursor": cursor}).json()["items"]] == [ids[0]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1000", "limit=a", "cursor=%00", "cursor=Li4vYQ", "status=done", "created_after=soon"]
)
def test_bad_queries(client: httpx.Client, query: str) -> None:
    response = client.get(f"/jobs?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


def test_the_cohort_as_parquet(client: httpx.Client, store: ArtifactStore) -> None:
    job_id = finished(client, store)
    response = client.get(f"/jobs/{job_id}/cohort")
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    assert response.headers["content-disposition"] == f'attachment; filename="synthetic-cohort-{job_id}.parquet"'
    assert response.headers["etag"] == f'"{client.get(f"/jobs/{job_id}").json()["result"]["sha256"]}"'
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(response.content)), cohort_table().to_pandas())


@pytest.mark.parametrize(("asked", "wanted"), [("parquet", "csv"), ("csv", None)])
def test_the_cohort_as_csv(client: httpx.Client, store: ArtifactStore, asked: str, wanted: str | None) -> None:
    job_id = finished(client, store, format=asked)
    response = client.get(f"/jobs/{job_id}/cohort", params={"format": wanted} if wanted else {})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="synthetic-cohort-{job_id}.csv"'
    frame = pd.read_csv(io.StringIO(response.text))
    pd.testing.assert_frame_equal(
        frame, cohort_table().to_pandas().astype({"heart_rate": "float64"}), check_dtype=False
    )
    assert "nan" not in response.text.lower()


def test_parquet_can_be_had_of_a_job_that_was_asked_for_csv(client: httpx.Client, store: ArtifactStore) -> None:
    job_id = finished(client, store, format="csv")
    assert client.get(f"/jobs/{job_id}/cohort?format=parquet").content.startswith(b"PAR1")
    assert client.get(f"/jobs/{job_id}/cohort?format=xls").status_code == 422


@pytest.mark.parametrize("path", ["cohort", "report", "report.html"])
def test_there_is_nothing_to_fetch_before_the_end(client: httpx.Client, path: str) -> None:
    job_id = generate(client).json()["id"]
    response = client.get(f"/jobs/{job_id}/{path}")
    assert response.status_code == 409
    assert "queued" in response.json()["detail"]


def test_reports_come_as_json_or_html(client: httpx.Client, store: ArtifactStore) -> None:
    here = f"/jobs/{finished(client, store)}/report"
    plain = client.get(here)
    assert plain.json() == {"scores": [1]}
    assert plain.headers["vary"] == "Accept"
    page = client.get(here, headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get(f"{here}.html").content == page.content
    assert client.get(here, headers={"Accept": "*/*"}).content == plain.content


def test_a_report_of_before_there_were_evaluations_lies_beside_its_cohort(
    client: httpx.Client, store: ArtifactStore
) -> None:
    job_id = finished(client, store, evaluate=False)
    folder = store.cohort_dir(job_id)
    (folder / REPORT_JSON).write_text('{"scores": [2]}')
    write_record(folder, store.cohort(job_id).model_copy(update={"files": manifest(folder)}))
    assert client.get(f"/jobs/{job_id}/report").json() == {"scores": [2]}


def test_without_evaluation_there_is_no_report(client: httpx.Client, store: ArtifactStore) -> None:
    job_id = finished(client, store, evaluate=False)
    assert client.get(f"/jobs/{job_id}").json()["links"]["report"] is None
    assert client.get(f"/jobs/{job_id}/report").status_code == 404


def test_the_report_of_a_training_is_that_of_its_model(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore
) -> None:
    dataset = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()
    job_id = client.post("/jobs/train", json={"dataset_id": dataset["id"], "name": "a"}).json()["id"]
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": "running"}))
    result = JobResult(model_id="model-1")
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": "succeeded", "result": result}))
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["model_id"], job["links"]["model"]) == ("model-1", "/models/model-1")
    assert client.get(job["links"]["report"]).json() == client.get("/models/model-1/report").json()
    assert client.get(f"/jobs/{job_id}/cohort").status_code == 404


def test_a_cohort_can_be_compared_with_a_dataset(client: httpx.Client, store: ArtifactStore, jobs: JobStore) -> None:
    dataset_id = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()["id"]
    unfinished = generate(client).json()["id"]
    body = {"dataset_id": dataset_id, "job_id": unfinished}
    assert client.post("/jobs/evaluate", json=body).status_code == 409
    cohort = finished(client, store)
    response = client.post("/jobs/evaluate", json={"dataset_id": dataset_id, "job_id": cohort})
    assert response.status_code == 202
    job_id = response.json()["id"]
    assert client.delete(f"/jobs/{cohort}").status_code == 409
    assert client.post("/jobs/evaluate", json={"dataset_id": dataset_id, "job_id": job_id}).status_code == 404

    with store.staging("report") as folder:
        (folder / REPORT_JSON).write_text("{}")
        files = manifest(folder)
        record = ReportRecord(id=job_id, created_at=now(), dataset_id=dataset_id, cohort_id=cohort, files=files)
        write_record(folder, record)
        store.publish(folder, "reports", job_id)
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": "running"}))
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": "succeeded", "result": JobResult()}))
    assert client.get(f"/jobs/{job_id}/report").json() == {}
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert not store.exists("reports", job_id)


def test_records_of_other_kinds_can_be_read(client: httpx.Client, store: ArtifactStore) -> None:
    add_job(store, "job-1", GenerateRequest(model_id="model-1", n_stays=1, label_ratios="balanced"))
    request = EvaluateRequest(dataset_id="data-1", job_id="job-1")
    JobStore(store).create(JobRecord(id="job-2", created_at=now(), request=request))
    assert {job["kind"] for job in client.get("/jobs").json()["items"]} == {"generate", "evaluate"}
