from __future__ import annotations

import re
from typing import Any

from cdmt_client import cards
from cdmt_client.records import Report

EVIL = "<script>alert(1)</script>"
JOB: dict[str, Any] = {
    "id": "abc",
    "kind": "generate",
    "status": "running",
    "finished_at": None,
    "progress": {"step": EVIL, "value": 25, "max": 100, "eta_seconds": 3.2},
    "queue_position": None,
    "error": None,
    "result": None,
}
SCORE: dict[str, Any] = {
    "name": "tstr",
    "title": "Train on synthetic",
    "label": EVIL,
    "status": "ok",
    "value": 0.81234,
    "holdout_value": 0.85,
    "ideal": 1.0,
    "verdict": "close",
}
REPORT: dict[str, Any] = {
    "title": EVIL,
    "n_stays": 1000,
    "n_evaluated": 500,
    "privacy": {"status": "held", "reason": EVIL},
    "labels": [{"name": EVIL, "obtained": {EVIL: 300, "0": 700}}],
    "scores": [SCORE, {**SCORE, "feature": "hr"}, {**SCORE, "status": "failed", "value": None}],
}


def test_a_running_job_shows_how_far_it_is() -> None:
    html = cards.job(JOB)
    assert 'role="progressbar"' in html
    assert "width:25.0%" in html
    assert "25 of 100, 3 s left" in html


def test_a_cohort_shows_its_labels_and_the_gate_s_verdict() -> None:
    result = {"n_stays": 4, "label_counts": {"death": {"0": 3, "1": 1}}, "privacy": "held", "warnings": [EVIL]}
    html = cards.job({**JOB, "status": "succeeded", "finished_at": "now", "result": {**result, "privacy_reason": EVIL}})
    assert "progressbar" not in html
    assert [cell for cell in cells(html) if "%" in cell] == ["75.0%", "25.0%"]
    assert "privacy: held back" in html


def test_a_report_shows_the_main_figures_beside_real_stays() -> None:
    html = cards.report(REPORT)
    assert cells(html)[-5:] == [
        "Train on synthetic (&lt;script&gt;alert(1)&lt;/script&gt;)",
        "0.812",
        "0.850",
        "1",
        "close",
    ]
    assert Report(REPORT).figures() == {f"Train on synthetic ({EVIL})": (0.81234, 0.85)}
    assert Report(REPORT).privacy == "held"


def test_a_failure_says_why() -> None:
    assert "the worker was lost" in cards.job({**JOB, "status": "failed", "error": {"detail": "the worker was lost"}})


def test_everything_is_escaped() -> None:
    dataset = {
        "id": "abc",
        "name": EVIL,
        "n_stays": 10,
        "sequence_length": 25,
        "schema": {"features": [{"name": EVIL, "type": "numerical", "unit": EVIL}]},
        "label_counts": {EVIL: {EVIL: 0}},
    }
    model = {"id": "a", "name": EVIL, "origin": EVIL, "n_train": 1, "n_holdout": 1, "figures": {EVIL: None}}
    failed = {**JOB, "error": {"detail": EVIL}}
    pages = [cards.job(failed), cards.report(REPORT), cards.dataset(dataset), cards.model(model)]
    for html in pages:
        assert "<script" not in html
        assert html.count("<div") == html.count("</div>")


def cells(html: str) -> list[str]:
    """The cells of all tables."""
    return re.findall(r"<td[^>]*>(.*?)</td>", html)
