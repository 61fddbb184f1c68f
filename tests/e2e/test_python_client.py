"""The Python client against the whole stack, over a network that drops, delays and spoils."""

from __future__ import annotations

import asyncio
import hashlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from cdmt_client import AsyncCohortClient, CohortClient, CohortHeld, Dataset, Job, JobFailed, Retries, errors
from service.cli import app as cli
from tests.client.flaky import BUSY, Cut, Delay, Flip, Lose, Proxy, Say, flaky
from tests.e2e.conftest import SCHEMA
from tests.e2e.test_stack import hold
from tests.worker.tables import TINY_NETWORK, TINY_TRAINING, made_up_stays

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
BUNDLED = "challenge2012-v1"
RATIOS = {"in_hospital_death": {"1": 0.3, "0": 0.7}}
QUICK: dict[str, Any] = {"sampler": {"n_steps": 2}, "evaluate": False}
RETRIES = Retries(seconds=30, first=0.02)


@pytest.fixture(scope="module")
def proxy(client: httpx.Client) -> Iterator[Proxy]:
    """The bad network."""
    with flaky(str(client.base_url).rstrip("/")) as opened:
        yield opened


@pytest.fixture
def cohorts(proxy: Proxy) -> Iterator[CohortClient]:
    """A client behind it."""
    proxy.plan.clear()
    proxy.seen.clear()
    with CohortClient(proxy.url, timeout=30, retries=RETRIES) as opened:
        yield opened
    assert proxy.plan == []


@pytest.fixture(scope="module")
def job(proxy: Proxy) -> Iterator[Job]:
    """A cohort that is done."""
    with CohortClient(proxy.url, timeout=30) as opened:
        yield opened.generate(BUNDLED, n_stays=100, label_ratios=RATIOS, seed=1, **QUICK).wait(progress=False)


@pytest.fixture(scope="module")
def dataset(proxy: Proxy) -> Dataset:
    """The made-up stays, from a frame, whose first upload made the dataset and lost the answer."""
    proxy.plan += [("POST /datasets", Lose()), ("POST /datasets", BUSY)]
    with CohortClient(proxy.url, timeout=30, retries=RETRIES) as opened:
        before = len(opened.datasets())
        made = opened.upload(made_up_stays(), name="planted stays", schema=SCHEMA, progress=False)
        assert len(opened.datasets()) == before + 1
        assert proxy.count("POST /datasets") == 3
        return made


@pytest.mark.parametrize("page", ["README.md", "client/README.md"])
def test_three_lines_of_the_readme_give_a_frame(page: str, proxy: Proxy) -> None:
    text = (ROOT / page).read_text()
    lines = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]
    assert len([line for line in lines.splitlines() if line]) == 3
    quick = re.sub(r'generate\("[^"]+", n_stays=\d+', f"generate('{BUNDLED}', evaluate=False, n_stays=20", lines)
    names: dict[str, Any] = {}
    exec(quick.replace("http://127.0.0.1:8000", proxy.url), names)
    names["client"].close()
    assert len(names["frame"]) == 20 * 25


def test_a_cohort_with_its_report(cohorts: CohortClient, proxy: Proxy) -> None:
    told: list[tuple[str, int, int]] = []
    job = cohorts.generate(BUNDLED, n_stays=100, label_ratios=RATIOS, sampler={"n_steps": 2})
    proxy.plan += [("GET /jobs/", Cut(-1)), ("GET /jobs/", Cut(-1)), ("GET /jobs/", BUSY)]
    frame = job.wait(progress=lambda *now: told.append(now)).to_pandas()
    assert frame.groupby("stay_id")["in_hospital_death"].first().value_counts().to_dict() == {0: 70, 1: 30}
    assert job.result is not None
    assert job.result["label_counts"]["in_hospital_death"] == {"0": 70, "1": 30}
    report = job.report()
    assert report["n_stays"] == 100
    assert "synthetic stays" in job._repr_html_()
    assert report.privacy in report._repr_html_().replace("not evaluated", "not_evaluated")


def test_a_submission_that_is_disturbed_makes_one_job(cohorts: CohortClient, proxy: Proxy) -> None:
    faults = (BUSY, Cut(-1), Lose(), Say("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"), Cut(3), Delay(0.1))
    proxy.plan += [("POST /jobs/generate", fault) for fault in faults]
    before = {job.id for job in cohorts.jobs()}
    job = cohorts.generate(BUNDLED, n_stays=5, **QUICK)
    assert {other.id for other in cohorts.jobs()} - before == {job.id}
    assert proxy.count("POST /jobs/generate") == len(faults)


def test_a_download_that_is_cut_again_and_again_has_the_same_bytes(
    job: Job, client: httpx.Client, proxy: Proxy, tmp_path: Path
) -> None:
    content = client.get(f"/jobs/{job.id}/cohort").content
    proxy.seen.clear()
    proxy.plan += [("/cohort", Cut(len(content) // 4)), ("/cohort", Cut(10)), ("/cohort", Cut(-1)), ("/cohort", BUSY)]
    path = job.download(tmp_path / "cohort.parquet", progress=False)
    assert path.read_bytes() == content
    assert proxy.count("/cohort") == 5
    assert hashlib.sha256(content).hexdigest() == (job.result or {})["sha256"]
    proxy.plan += [("/cohort", Flip(1000))]
    assert job.download(path, progress=False).read_bytes() == content
    proxy.plan += [("/cohort", Flip(1000)), ("/cohort", Flip(2000))]
    with pytest.raises(errors.ChecksumMismatch):
        job.download(tmp_path / "other.parquet", progress=False)
    assert [file.name for file in tmp_path.iterdir()] == ["cohort.parquet"]
    proxy.plan += [("format=csv", Cut(100))]
    frame = pd.read_csv(job.download(tmp_path / "cohort.csv", progress=False))
    pd.testing.assert_frame_equal(frame, job.to_pandas(progress=False), check_dtype=False, rtol=1e-6)


def test_events_go_on_over_broken_connections(cohorts: CohortClient, proxy: Proxy) -> None:
    proxy.plan += [("/events", Cut(120)), ("/events", Cut(-1)), ("/events", Cut(400))]
    job = cohorts.generate(BUNDLED, n_stays=300, label_ratios=RATIOS)
    states = [event.data["status"] for event in job.events() if event.kind == "state"]
    assert states == ["queued", "running", "succeeded"]
    assert job.refresh().has_ended
    job.delete()
    with pytest.raises(errors.NotFound):
        cohorts.job(job.id)


def test_what_is_refused_is_typed(cohorts: CohortClient, job: Job) -> None:
    with pytest.raises(errors.InvalidRequest, match="nobody") as caught:
        cohorts.generate(BUNDLED, label_ratios={"nobody": "balanced"})
    assert caught.value.errors[0].pointer == "/label_ratios"
    assert caught.value.request_id
    with pytest.raises(errors.InvalidRequest):
        cohorts.generate(BUNDLED, n_stays=5, no_such_field=1)
    with pytest.raises(errors.NotFound, match="no model with the id or the name 'nobody'"):
        cohorts.generate("nobody")
    with pytest.raises(errors.Conflict):
        job.cancel()


def test_a_held_cohort_stays_inside_but_for_an_admin_who_says_why(
    cohorts: CohortClient, proxy: Proxy, data_dir: Path, admin_key: str, tmp_path: Path
) -> None:
    job = cohorts.generate(BUNDLED, n_stays=5, **QUICK).wait(progress=False)
    hold(data_dir / "jobs" / job.id / "record.json")
    with pytest.raises(CohortHeld, match="near_copies"):
        job.to_pandas()
    assert "held back" in job.refresh()._repr_html_()
    with CohortClient(proxy.url, api_key=admin_key, timeout=30) as admin:
        taken = admin.job(job.id).download(tmp_path / "held.parquet", override_reason="the ethics board has agreed")
    assert hashlib.sha256(taken.read_bytes()).hexdigest() == (job.result or {})["sha256"]
    with CohortClient(proxy.url, api_key="not-a-key", timeout=30) as stranger, pytest.raises(errors.Unauthorized):
        stranger.models()


def test_a_wait_ends_in_time_and_by_a_cancellation(cohorts: CohortClient) -> None:
    job = cohorts.generate(BUNDLED, n_stays=1_000_000, evaluate=False)
    with pytest.raises(errors.Timeout, match="goes on"):
        job.wait(timeout=0.5, progress=False)
    assert job.cancel().status in ("cancelling", "cancelled")
    with pytest.raises(errors.JobCancelled):
        job.wait(progress=False)


def test_from_a_table_to_a_model_and_back(
    cohorts: CohortClient, dataset: Dataset, proxy: Proxy, tmp_path: Path
) -> None:
    training: dict[str, Any] = {"training": TINY_TRAINING.model_dump(), "network": TINY_NETWORK.model_dump()}
    model = cohorts.model(cohorts.train("planted stays", "of the client", **training).wait(progress=False))
    assert (model.name, model.data["dataset_id"]) == ("of the client", dataset.id)
    cohort = cohorts.generate("of the client", n_stays=60, label_ratios={"death": "balanced"}, **QUICK)
    compared = cohorts.evaluate(dataset, cohort.wait(progress=False), metrics=["marginal_ks"])
    assert compared.wait(progress=False).report()["n_stays"] == 60
    proxy.plan += [("POST /jobs/evaluate", Lose())]
    other = cohorts.evaluate(dataset.id, made_up_stays(seed=1), metrics=["marginal_ks"], progress=False)
    assert other.wait(progress=False).report_html(tmp_path / "report.html").stat().st_size > 10_000
    assert cohorts.model_report(model)["kind"] == "model"
    proxy.plan += [("/archive", Cut(2000))]
    archive = cohorts.export_model(model, tmp_path / "model.zip", progress=False)
    cohorts.delete_model(model)
    proxy.plan += [("POST /models", Lose())]
    assert cohorts.import_model(archive, progress=False).id == model.id
    cohorts.delete_model(model.id)
    cohorts.delete_dataset(dataset)
    assert dataset.id not in [left.id for left in cohorts.datasets()]


def test_the_same_awaited(proxy: Proxy, client: httpx.Client, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncCohortClient(proxy.url, timeout=30, retries=RETRIES) as cohorts:
            proxy.plan += [("POST /jobs/generate", Lose()), ("/cohort", Cut(5000)), ("/events", Cut(100))]
            proxy.plan += [("POST /datasets", Lose())]
            dataset = await cohorts.upload(made_up_stays(), name="awaited", schema=SCHEMA, progress=False)
            assert [other.id for other in await cohorts.datasets() if other.name == "awaited"] == [dataset.id]
            await cohorts.delete_dataset("awaited")
            jobs = await asyncio.gather(*(cohorts.generate(BUNDLED, n_stays=20, seed=n, **QUICK) for n in range(3)))
            states = [event.data["status"] async for event in jobs[0].events() if event.kind == "state"]
            assert states[-1] == "succeeded"
            done = [await job.wait(progress=False) for job in jobs]
            paths = [await job.download(tmp_path / f"{job.id}.parquet", progress=False) for job in done]
            listed = [job.id async for job in cohorts.jobs(limit=3)]
            assert {job.id for job in jobs} == set(listed)
            assert len(await done[0].to_pandas(progress=False)) == 20 * 25
            for job, path in zip(done, paths, strict=True):
                assert path.read_bytes() == client.get(f"/jobs/{job.id}/cohort").content

    asyncio.run(main())
    assert proxy.plan == []


def test_the_command_line_fetches_a_cohort(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDMT_SERVER", proxy.url)

    def cdmt(*arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["cdmt", "remote", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    detached = cdmt("generate", BUNDLED, "-n", "40", "--ratio", "in_hospital_death=1:0.5,0:0.5", "--detach")
    job_id = detached[1].strip()
    assert job_id in cdmt("jobs", "-n", "1")[1]
    code, shown, complaint = cdmt("wait", job_id)
    assert (code, "50.0%" in shown) == (0, True), complaint
    assert cdmt("download", job_id, str(tmp_path / "cohort.csv"))[1].strip() == str(tmp_path / "cohort.csv")
    assert len(pd.read_csv(tmp_path / "cohort.csv")) == 40 * 25
    assert "real holdout" in cdmt("report", job_id)[1]
    code, _, complaint = cdmt("cancel", job_id)
    assert (code, complaint.startswith("error: 409:")) == (1, True)


def test_an_interrupted_command_leaves_the_job_and_says_how_to_go_on(proxy: Proxy) -> None:
    command = [sys.executable, "-m", "service.cli", "remote", "generate", BUNDLED, "-n", "1000000"]
    env = {"CDMT_SERVER": proxy.url, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        job_id = process.stderr.readline().removeprefix("job ").strip()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert f"cdmt remote wait {job_id}" in rest
    with CohortClient(proxy.url, timeout=30) as cohorts:
        assert not cohorts.job(job_id).has_ended
        cohorts.job(job_id).cancel()


def test_a_failed_job_says_why(cohorts: CohortClient, job: Job) -> None:
    failed = {**job.data, "status": "failed", "error": {"type": "x", "title": "t", "detail": "the worker was lost"}}
    assert "has failed: the worker was lost" in str(JobFailed(failed))
