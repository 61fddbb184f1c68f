"""The second stage of a generation: the report on its cohort, the privacy gate, and how it is come by."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from model.evaluation.report import evaluate
from model.spec.errors import Cancelled
from model.spec.privacy import HeldTest, PrivacyThresholds, PrivacyVerdict
from model.spec.report import PRIVACY_METRICS, Report
from service.contracts import live
from service.contracts.installation import installation_id
from service.contracts.jobs import JobRecord, JobResult, queue_name
from service.contracts.records import ModelRecord
from service.contracts.requests import GenerateRequest
from tests.worker.conftest import submit
from tests.worker.tables import FAST_SAMPLER, made_up_stays
from worker import outcomes
from worker.assess import as_its_model, run_assessment
from worker.progress import JobLink
from worker.tasks import HANDED_OVER, execute
from worker.workshop import Workshop

HELD = HeldTest(name="dcr_share", value=0.7, low=0.66, threshold=0.55, detail="DCR share: 0.7")
VERDICTS = {
    "passed": PrivacyVerdict(status="passed", reason="All is well.", n_tests=3),
    "held": PrivacyVerdict(status="held", reason="Too close.", failed=(HELD,), n_tests=3),
}


def small_cohort(model: ModelRecord, **change: Any) -> GenerateRequest:
    """A request that takes a moment."""
    return GenerateRequest(model_id=model.id, n_stays=40, sampler=FAST_SAMPLER, **{"evaluate": False, **change})


def judge(monkeypatch: pytest.MonkeyPatch, verdict: str) -> list[Report]:
    """Let every report be quick, and its gate decide so. What was reported is in the list."""
    made: list[Report] = []

    def quick(**given: Any) -> Report:
        wanted = given["options"]
        few = wanted.metrics and tuple(name for name in wanted.metrics if name == "exact_copies")
        given["options"] = wanted.model_copy(update={"metrics": few or ("total_variation",)})
        report = evaluate(**given).model_copy(update={"privacy": VERDICTS[verdict]})
        made.append(report)
        return report

    monkeypatch.setattr("worker.report.evaluate", quick)
    return made


def leftovers(shop: Workshop) -> list[Path]:
    """What a job left behind in the store, in whatever folder."""
    return [path for kind in ("cohorts", "reports", "staging", "work") for path in (shop.store.root / kind).iterdir()]


def evaluations(shop: Workshop) -> str:
    """The key of the queue of evaluations."""
    return "rq:queue:" + queue_name("evaluate", installation_id(shop.store.root))


def test_a_generation_is_drawn_then_judged_and_only_then_done(
    shop: Workshop, model: ModelRecord, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(monkeypatch, "passed")
    job_id = submit(shop, small_cohort(model, evaluate=True))
    assert execute(job_id, shop) == HANDED_OVER
    drawn = shop.jobs.read(job_id)
    assert (drawn.status, drawn.stage, drawn.result) == ("running", "evaluation", None)
    assert redis.lrange(evaluations(shop), 0, -1) == [f"{job_id}-evaluation".encode()]
    progress = live.read_progress(redis, job_id)
    assert progress is not None
    assert progress.step == "waiting for the evaluation"
    assert {path.name for path in shop.store.cohort_dir(job_id).iterdir()} == {"cohort.parquet", "record.json"}

    assert execute(job_id, shop, stage="evaluation") == "succeeded"
    record = shop.jobs.read(job_id)
    assert record.result is not None
    assert (record.attempts, record.evaluation_attempts) == (1, 1)
    assert (record.result.privacy, record.result.privacy_reason) == ("passed", "All is well.")
    assert (record.result.n_stays, record.result.model_load) == (40, "loaded")
    assert set(record.result.timings) == {"model_load", "sampling", "evaluation"}
    assert record.result.figures["total_variation"] is not None
    report = shop.store.report(job_id)
    assert (report.dataset_id, report.cohort_id) == (model.dataset_id, job_id)
    assert set(report.files) == {"report.html", "report.json"}
    assert live.read_progress(redis, job_id) is None


def test_the_reason_says_on_how_many_stays_it_rests(
    shop: Workshop, model: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(monkeypatch, "held")
    monkeypatch.setattr("worker.assess.EVALUATED_STAYS", 25)
    job_id = submit(shop, small_cohort(model, evaluate=True))
    execute(job_id, shop)
    execute(job_id, shop, stage="evaluation")
    result = shop.jobs.read(job_id).result
    assert result is not None
    assert (result.privacy, result.privacy_failed) == ("held", (HELD,))
    assert result.privacy_reason == "Too close. Tested on 25 of the 40 stays."


def test_the_gate_judges_a_cohort_of_which_no_report_is_wanted(
    shop: Workshop, model: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def spy(**given: Any) -> Report:
        asked.append(given["options"])
        return evaluate(**{**given, "options": given["options"].model_copy(update={"metrics": ("exact_copies",)})})

    monkeypatch.setattr("worker.report.evaluate", spy)
    job_id = submit(shop, small_cohort(model, evaluate=False, seed=3))
    assert execute(job_id, shop) == HANDED_OVER
    assert execute(job_id, shop, stage="evaluation") == "succeeded"
    assert set(asked[0].metrics) == PRIVACY_METRICS
    assert asked[0].seed == 3
    assert asked[0].thresholds == shop.settings.privacy_thresholds
    assert not shop.store.exists("reports", job_id)


def put_copies(shop: Workshop, job_id: str) -> None:
    """Let the cohort that a job has drawn be copies of the real stays."""
    copies = made_up_stays().assign(stay=lambda table: table["stay"] - 1000)
    copies.to_parquet(shop.store.cohort_dir(job_id) / "cohort.parquet", index=False)


def test_a_cohort_of_copies_is_held_and_one_of_honest_stays_is_not(shop: Workshop, model: ModelRecord) -> None:
    verdicts = {}
    for leak in (True, False):
        job_id = submit(shop, small_cohort(model, evaluate=False))
        execute(job_id, shop)
        if leak:
            put_copies(shop, job_id)
        assert execute(job_id, shop, stage="evaluation") == "succeeded"
        result = shop.jobs.read(job_id).result
        assert result is not None
        verdicts[leak] = result
    assert (verdicts[True].privacy, verdicts[False].privacy) == ("held", "passed")
    assert "exact_copies" in {test.name for test in verdicts[True].privacy_failed}
    assert verdicts[True].privacy_reason
    assert verdicts[False].privacy_failed == ()


def test_a_cohort_whose_tests_broke_is_held_although_nobody_knows_how_close_it_is(
    shop: Workshop, model: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("model.evaluation.privacy.copies.exact_copies", broken)
    job_id = submit(shop, small_cohort(model).model_copy(update={"n_stays": 60}))
    assert execute(job_id, shop) == HANDED_OVER
    assert execute(job_id, shop, stage="evaluation") == "succeeded"
    result = shop.jobs.read(job_id).result
    assert result is not None
    assert result.privacy == "held"
    assert "broke (ZeroDivisionError" in (result.privacy_reason or "")


NOT_TESTED = PrivacyVerdict(status="not_evaluated", reason="Nobody looked.")


@pytest.mark.parametrize(
    ("cohort", "model", "both"),
    [
        ("passed", VERDICTS["passed"], "passed"),
        ("passed", VERDICTS["held"], "held"),
        ("held", VERDICTS["passed"], "held"),
        ("not_evaluated", VERDICTS["passed"], "passed"),
        ("not_evaluated", VERDICTS["held"], "held"),
        ("not_evaluated", NOT_TESTED, "not_evaluated"),
        ("passed", NOT_TESTED, "passed"),
        ("passed", None, "passed"),
    ],
)
def test_a_cohort_is_no_better_than_its_model(cohort: Any, model: PrivacyVerdict | None, both: str) -> None:
    """Parts of what a leaking model draws may look innocent; a few stays of a good one need no test of their own."""
    failed = (HELD,) if cohort == "held" else ()
    result = JobResult(privacy=cohort, privacy_reason="Few stays.", privacy_failed=failed)
    judged = as_its_model(result, model)
    assert judged.privacy == both
    assert bool(judged.privacy_failed) == (both == "held")


def test_the_thresholds_are_those_of_the_settings(shop: Workshop, model: ModelRecord) -> None:
    lenient = {f"privacy_{name}": 1.0 for name in PrivacyThresholds.model_fields}
    shop = replace(shop, settings=shop.settings.model_copy(update=lenient))
    job_id = submit(shop, small_cohort(model, evaluate=False))
    execute(job_id, shop)
    put_copies(shop, job_id)
    execute(job_id, shop, stage="evaluation")
    result = shop.jobs.read(job_id).result
    assert result is not None
    assert result.privacy == "passed"


def test_without_dataset_and_report_there_is_nothing_to_hand_over(
    shop: Workshop, orphan: ModelRecord, redis: Redis
) -> None:
    job_id = submit(shop, small_cohort(orphan))
    assert execute(job_id, shop) == "succeeded"
    result = shop.jobs.read(job_id).result
    assert result is not None
    assert result.privacy == "not_evaluated"
    assert result.privacy_reason is not None
    assert redis.llen(evaluations(shop)) == 0


def test_a_dataset_that_goes_between_the_stages_leaves_the_cohort_unjudged(shop: Workshop, model: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(model))
    execute(job_id, shop)
    shop.store.remove("datasets", str(model.dataset_id))
    assert execute(job_id, shop, stage="evaluation") == "succeeded"
    result = shop.jobs.read(job_id).result
    assert result is not None
    assert result.privacy == "not_evaluated"


def test_a_drawing_that_died_at_the_handover_hands_over_when_it_is_tried_again(
    shop: Workshop, model: ModelRecord, redis: Redis
) -> None:
    job_id = submit(shop, small_cohort(model))
    execute(job_id, shop)
    redis.flushall()
    before = shop.jobs.read(job_id)
    assert execute(job_id, shop) == HANDED_OVER
    assert redis.lrange(evaluations(shop), 0, -1) == [f"{job_id}-evaluation".encode()]
    assert shop.jobs.read(job_id) == before


def test_an_evaluation_of_a_job_that_is_not_drawn_is_skipped(shop: Workshop, model: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(model))
    before = shop.jobs.read(job_id)
    assert execute(job_id, shop, stage="evaluation") == "skipped"
    assert shop.jobs.read(job_id) == before


def test_a_cancel_before_the_evaluation_leaves_nothing(shop: Workshop, model: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(model))
    execute(job_id, shop)
    shop.jobs.transition(job_id, lambda record: record.model_copy(update={"status": "cancelling"}))
    assert execute(job_id, shop, stage="evaluation") == "cancelled"
    assert leftovers(shop) == []


def test_a_cancel_while_it_is_evaluated_leaves_nothing(
    shop: Workshop, model: ModelRecord, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*, cancelled: Callable[[], bool], **_: Any) -> Report:
        threading.Timer(0.3, live.request_cancel, (redis, job_id)).start()
        while not cancelled():
            pass
        raise Cancelled("the evaluation was cancelled")

    monkeypatch.setattr("worker.report.evaluate", endless)
    job_id = submit(shop, small_cohort(model))
    execute(job_id, shop)
    assert execute(job_id, shop, stage="evaluation") == "cancelled"
    assert shop.jobs.read(job_id).status == "cancelled"
    assert leftovers(shop) == []


def test_a_cancel_during_the_last_step_of_the_drawing_goes_no_further(
    shop: Workshop, model: ModelRecord, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled_meanwhile(*given: Any, **named: Any) -> Any:
        drawn = run_generate(*given, **named)
        shop.jobs.transition(job_id, lambda record: record.model_copy(update={"status": "cancelling"}))
        return drawn

    from worker.generate import run_generate

    monkeypatch.setattr("worker.tasks.run_generate", cancelled_meanwhile)
    job_id = submit(shop, small_cohort(model))
    assert execute(job_id, shop) == "cancelled"
    assert leftovers(shop) == []
    assert redis.llen(evaluations(shop)) == 0


def test_an_evaluation_that_breaks_fails_the_job_and_takes_the_cohort_along(
    shop: Workshop, model: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> Report:
        raise ValueError("patient 4711")

    monkeypatch.setattr("worker.report.evaluate", broken)
    job_id = submit(shop, small_cohort(model))
    execute(job_id, shop)
    execute(job_id, shop, stage="evaluation")
    record = shop.jobs.read(job_id)
    assert record.status == "failed"
    assert "4711" not in record.model_dump_json()
    assert leftovers(shop) == []


def test_a_job_that_was_given_up_while_it_was_evaluated_leaves_nothing(
    shop: Workshop, model: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given_up_meanwhile(record: JobRecord, request: GenerateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
        result = run_assessment(record, request, shop=shop, link=link)
        shop.jobs.transition(record.id, outcomes.cancelled)
        return result

    judge(monkeypatch, "passed")
    monkeypatch.setattr("worker.tasks.run_assessment", given_up_meanwhile)
    job_id = submit(shop, small_cohort(model, evaluate=True))
    execute(job_id, shop)
    assert execute(job_id, shop, stage="evaluation") == "skipped"
    assert leftovers(shop) == []


def test_the_evaluation_holds_no_model_in_memory(
    shop: Workshop, model: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(monkeypatch, "passed")
    job_id = submit(shop, small_cohort(model))
    execute(job_id, shop)
    (shop.store.model_dir(model.id) / "weights.safetensors").write_bytes(os.urandom(8))
    assert execute(job_id, shop, stage="evaluation") == "succeeded"
