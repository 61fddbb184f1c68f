from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from cdmt_client import errors, submissions
from cdmt_client.records import JobFacts
from cdmt_client.retrying import DEFAULT
from tests.client.playing import answer, play, problem, requests

BROKEN = errors.Unreachable("reset")
ICU = answer(body={"id": "thing-1", "name": "icu" * 60})
JOB = answer(202, {"id": "j"})


def test_all_tries_have_one_key_and_each_request_its_own() -> None:
    keys = []
    for _ in range(2):
        flow = submissions.generate("thing-1", request={"n_stays": 5, "seed": None}, key=None, retries=DEFAULT)
        _, asked = play(flow, [ICU, BROKEN, problem(503, "queue-unavailable", retry_after="0"), JOB])
        _, *posts = requests(asked)
        assert {post.headers["Idempotency-Key"] for post in posts} == {posts[0].headers["Idempotency-Key"]}
        assert [post.json for post in posts] == [{"model_id": "thing-1", "n_stays": 5}] * 3
        keys.append(posts[0].headers["Idempotency-Key"])
    assert keys[0] != keys[1]


def test_a_training_is_called_like_its_dataset_unless_told() -> None:
    for name, called in ((None, ("icu" * 60)[:128]), ("mine", "mine")):
        flow = submissions.train("thing-1", name, request={"seed": 0}, key="k", retries=DEFAULT)
        _, asked = play(flow, [ICU, JOB])
        assert requests(asked)[-1].json == {"dataset_id": "thing-1", "name": called, "seed": 0}
        assert requests(asked)[-1].headers == {"Idempotency-Key": "k"}


def test_a_table_to_compare_is_a_form_and_a_cohort_its_job() -> None:
    frame = pd.DataFrame({"stay": [1], "hr": [80.0]})
    wanted = {"metrics": ["mmd"], "seed": 3, "detail": None}
    flow = submissions.evaluate("thing-1", frame, request=wanted, key=None, told=None, retries=DEFAULT)
    form = requests(play(flow, [ICU, JOB])[1])[-1].form
    assert form is not None
    assert form.fields == {"dataset_id": "thing-1", "metrics": '["mmd"]', "seed": "3"}
    assert isinstance(form.file, bytes)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(form.file)), frame)
    cohort = JobFacts()
    cohort.data = {"id": "j", "kind": "generate", "status": "succeeded"}
    flow = submissions.evaluate("thing-1", cohort, request={}, key=None, told=None, retries=DEFAULT)
    assert requests(play(flow, [ICU, JOB])[1])[-1].json == {"dataset_id": "thing-1", "job_id": "j"}


def test_a_file_is_sent_from_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "stays.csv"
    path.write_text("stay,hr\n")
    schema = {"stay_id": "stay"}
    flow = submissions.upload(path, name="icu", schema=schema, told=None, retries=DEFAULT)
    form = requests(play(flow, [ICU])[1])[0].form
    assert form is not None
    assert (form.file, form.filename, form.fields["name"]) == (path, "stays.csv", "icu")
    assert json.loads(form.fields["schema"]) == schema
    with pytest.raises(errors.Unreadable, match="there is no file"):
        play(submissions.upload(tmp_path / "x", name=None, schema=None, told=None, retries=DEFAULT), [])
