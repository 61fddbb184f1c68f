from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from cdmt_client import errors, references
from cdmt_client.effects import Answer, Flow, Json, Tell
from cdmt_client.records import Dataset, JobFacts, Model
from cdmt_client.references import ModelReference
from cdmt_client.retrying import DEFAULT
from tests.client.playing import answer, play, problem, requests

ICU = {"id": "m-1", "name": "icu"}
WARD = {"id": "m-2", "name": "ward"}
TWIN = {"id": "m-3", "name": "ward"}
NONE = problem(404, "not-found")


def page(*items: object, cursor: str | None = None) -> Answer:
    return answer(body={"items": items, "next_cursor": cursor})


def found(flow: Flow[Json], outcomes: list[Answer]) -> Json:
    return play(flow, outcomes)[0]


def test_an_id_goes_before_a_name() -> None:
    assert found(references.model("m-1", DEFAULT), [answer(body=ICU)]) == ICU
    assert found(references.model("icu", DEFAULT), [NONE, page(ICU, WARD)]) == ICU
    assert found(references.dataset("no id: Ward", DEFAULT), [page({"id": "d", "name": "no id: Ward"})])["id"] == "d"


def test_the_object_itself_will_do_or_the_job_that_made_it() -> None:
    job = JobFacts()
    job.data = {"id": "j", "kind": "train", "status": "succeeded", "model_id": "m-1"}
    for reference in (Model(ICU), job):
        record, asked = play(references.model(reference, DEFAULT), [answer(body=ICU)])
        assert (record, requests(asked)[0].path) == (ICU, "/models/m-1")
    assert found(references.dataset(Dataset(ICU), DEFAULT), [answer(body=ICU)]) == ICU


def test_the_only_model_needs_no_name() -> None:
    assert found(references.model(None, DEFAULT), [page(ICU)]) == ICU
    with pytest.raises(errors.Ambiguous, match=r"not exactly one model; say which by its id: 'm-1' \(icu\), 'm-2' "):
        found(references.model(None, DEFAULT), [page(ICU, WARD)])
    with pytest.raises(errors.Ambiguous, match="none"):
        found(references.model(None, DEFAULT), [page()])


@pytest.mark.parametrize(("name", "kind"), [("ward", errors.Ambiguous), ("nobody", errors.NotFound)])
def test_what_is_not_clear_is_told(name: ModelReference, kind: type[errors.CohortError]) -> None:
    with pytest.raises(kind, match=str(name)):
        found(references.model(name, DEFAULT), [NONE, page(ICU, WARD, cursor="c"), page(TWIN)])


def test_lists_are_asked_for_page_by_page_as_far_as_needed() -> None:
    flow = references.listed("/jobs", DEFAULT, params={"kind": "train"}, limit=3)
    _, asked = play(flow, [page(ICU, WARD, cursor="c"), page(TWIN, cursor="d")])
    assert [effect.item for effect in asked if isinstance(effect, Tell)] == [ICU, WARD, TWIN]
    assert [request.params for request in requests(asked)] == [
        {"kind": "train", "limit": 3},
        {"kind": "train", "cursor": "c", "limit": 1},
    ]


def test_filters_have_times_with_a_zone() -> None:
    after = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))
    found = references.filters(status=None, kind="train", created_after=after)
    assert datetime.fromisoformat(found.pop("created_after")) == after
    assert found == {"kind": "train"}
