"""The console in a real browser: from the key to the cohort by keyboard alone, and what else a steward comes upon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from model.spec.schema import Label
from service.contracts.storage import ArtifactStore
from tests.e2e.browser import Watched, run_shown
from tests.e2e.conftest import Job
from tests.e2e.test_stack import hold
from tests.service.making import SCHEMA, add_model

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LABEL = "in_hospital_death"  # of the bundled model
N_STAYS = 200
EVIL = "<script>alert(1)</script>"


def done(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    """The generate job that the body asks for, once it has succeeded."""
    return Job(client, "/jobs/generate", body).until(lambda job: job["status"] == "succeeded", seconds=120)[-1]


def sign_in(console: Watched, key: str) -> None:
    """By keyboard: the field has the focus when the page comes."""
    console.page.goto("/signin?next=/console/generate")
    console.page.keyboard.type(key)
    console.page.keyboard.press("Enter")
    expect(console.page.get_by_role("heading", name="Generate a cohort")).to_be_visible()


def test_from_the_key_to_the_cohort_by_keyboard(
    console: Watched, admin_key: str, tmp_path: Path, data_dir: Path
) -> None:
    page = console.page
    page.goto("/signin")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This key does not open this service.")).to_be_visible()
    console.complaints.clear()  # the browser itself reports the 401
    console.check_accessible("signin")

    sign_in(console, admin_key)
    stays = page.get_by_label("Stays", exact=True)
    console.tab_to(stays)
    page.keyboard.press("Control+A")
    page.keyboard.type(str(N_STAYS))
    console.press(page.get_by_role("radio", name="as in training"), "ArrowRight")
    share = page.get_by_role("spinbutton", name=f"Share of {LABEL} = 1")
    console.tab_to(share)
    page.keyboard.press("Control+A")
    page.keyboard.type("30")
    page.keyboard.press("Tab")
    expect(page.get_by_role("slider", name=f"Share of {LABEL} = 0")).to_have_value("70")
    expect(page.locator("#plan tr")).to_have_text(["0140", "160"])
    expect(page.locator("[data-code=python]")).to_contain_text(f'label_ratios={{"{LABEL}": {{"0": 0.7, "1": 0.3}}}}')

    counted = f"print(frame.groupby(frame.columns[0])[{LABEL!r}].first().value_counts().to_dict())"
    assert "{0: 140, 1: 60}" in run_shown(page, "python", key=admin_key, folder=tmp_path, then=counted)
    assert '"queued"' in run_shown(page, "curl", key=admin_key, folder=tmp_path)

    console.press(page.get_by_role("button", name="Preview"), "Enter")
    expect(page.locator(".stay")).to_have_count(8)
    assert page.locator(".stay .curve").count() > 8
    expect(page.locator(".stay .tag").filter(has_text=f"{LABEL} 1")).to_have_count(2)
    expect(page.locator("#time")).to_contain_text("An estimate.")
    console.check_accessible("generate")

    page.get_by_role("heading", name="Generate a cohort").click()
    console.press(page.get_by_role("button", name="Generate"), "Enter")
    page.wait_for_url("**/console/jobs/*")
    expect(page.get_by_text("running", exact=True).or_(page.get_by_text("waiting", exact=True))).to_be_visible()
    expect(page.get_by_role("heading", name="Download")).to_be_visible()
    report = page.frame_locator("iframe")
    expect(report.get_by_role("heading", name="Privacy gate: not evaluated")).to_be_visible()
    expect(page.locator("#job table tbody tr")).to_have_text(["014070.0\u202f%", "16030.0\u202f%"])
    console.check_accessible("job")

    for name, read in (("Parquet", pd.read_parquet), ("CSV", pd.read_csv)):
        with page.expect_download() as started:
            console.press(page.get_by_role("link", name=name, exact=True), "Enter")
        saved = tmp_path / started.value.suggested_filename
        started.value.save_as(saved)
        frame = read(saved)
        assert frame.groupby(frame.columns[0])[LABEL].first().value_counts().to_dict() == {0: 140, 1: 60}

    run_shown(page, "curl", key=admin_key, folder=tmp_path)
    assert {pd.read_parquet(path)[LABEL].nunique() for path in tmp_path.glob("synthetic-cohort-*.parquet")} == {2}
    others = page.locator(".forms a").all()
    assert len(others) == 4
    for link in others:
        assert page.request.get(str(link.get_attribute("href"))).ok

    console.press(page.get_by_role("link", name="Use the same request again"), "Enter")
    expect(page.get_by_role("spinbutton", name=f"Share of {LABEL} = 1")).to_have_value("30")
    expect(page.get_by_label("Stays", exact=True)).to_have_value(str(N_STAYS))


def test_a_long_job_is_watched_and_cancelled_from_the_list(console: Watched, admin_key: str) -> None:
    page = console.page
    sign_in(console, admin_key)
    page.get_by_label("Stays", exact=True).fill("2000000")
    page.get_by_text("Advanced").click()
    page.get_by_label("Report").select_option("none")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/console/jobs/*")
    page.goto("/console/jobs")
    row = page.locator("[data-job]").first
    expect(row.get_by_role("progressbar")).to_be_visible()
    expect(row).to_contain_text("drawing stays")
    console.check_accessible("jobs")
    page.get_by_role("button", name="Cancel").first.click()
    expect(row).to_contain_text("cancelled")
    page.goto("/console")
    console.check_accessible("home")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/signin")


def test_a_held_cohort_is_explained_and_an_admin_takes_it_with_a_reason(
    console: Watched, client: httpx.Client, admin_key: str, data_dir: Path, tmp_path: Path
) -> None:
    body = {"model_id": "challenge2012-v1", "n_stays": 4, "evaluate": False}
    job = done(client, body)
    hold(data_dir / "jobs" / job["id"] / "record.json")
    sign_in(console, admin_key)
    page = console.page
    page.goto(f"/console/jobs/{job['id']}")
    expect(page.get_by_role("heading", name="This cohort is held back")).to_be_visible()
    console.check_accessible("held")
    page.get_by_label("Reason to take it").fill("die Ethikkommission hat zugestimmt: für Lehre")
    with page.expect_download() as started:
        page.get_by_role("button", name="Take it with this reason").click()
    started.value.save_as(tmp_path / "taken.parquet")
    assert len(pd.read_parquet(tmp_path / "taken.parquet")) > 4
    expect(page.get_by_text("zugestimmt: für Lehre")).to_be_visible()


def test_the_same_request_again_is_the_same_also_where_no_stream_comes_through(
    console: Watched, client: httpx.Client
) -> None:
    body = {
        "model_id": "challenge2012-v1",
        "n_stays": 7,
        "preset": "paper",
        "sampler": {"n_steps": 4, "guidance_scale": {"numerical": 2.0, "categorical": 1.0}},
        "label_ratios": "balanced",
        "evaluate": False,
    }
    job = done(client, body)
    page = console.page
    page.route("**/events", lambda route: route.abort())
    page.goto(f"/console/jobs/{job['id']}")
    page.get_by_role("link", name="Use the same request again").click()
    expect(page.locator("#plan td")).to_have_text(["4", "3"])
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("heading", name="Download")).to_be_visible()
    again = client.get(f"/jobs/{page.url.rpartition('/')[2]}").raise_for_status().json()
    asked, wanted = ({**one["request"], "label_ratios": None, "preset": None} for one in (again, job))
    assert asked == wanted
    assert all("ERR_FAILED" in complaint for complaint in console.complaints)
    console.complaints.clear()  # of the streams that did not come through
    assert again["result"]["label_counts"] == job["result"]["label_counts"]


@pytest.fixture
def two_labels(data_dir: Path) -> Iterator[str]:
    """A model that nothing can be drawn from, with two outcomes; a category of one looks like a script."""
    store = ArtifactStore(data_dir)
    unit = Label(name="unit", categories=("MICU", EVIL))
    schema = SCHEMA.model_copy(update={"labels": (SCHEMA.labels[0], unit)})
    yield add_model(store, "two-labels", schema=schema).id
    store.remove("models", "two-labels")


def test_shares_of_combinations_of_several_outcomes(console: Watched, two_labels: str) -> None:
    page = console.page
    page.goto(f"/console/generate?model={two_labels}")
    page.get_by_role("radio", name="their combinations").check()
    page.get_by_role("spinbutton", name="Share of death = 1, unit = MICU").fill("40")
    page.keyboard.press("Tab")
    expect(page.locator(".joint .stays")).to_have_text(["200", "200", "400", "200"])
    expect(page.locator("#plan caption")).to_have_text(["death", "unit"])
    expect(page.locator("#plan")).to_contain_text(EVIL)
    expect(page.locator("[data-code=curl]")).to_contain_text('{"labels":{"death":"1","unit":"MICU"},"ratio":0.4}')
    console.check_accessible("combinations")


def test_what_is_wrong_is_said_at_its_field(console: Watched, admin_key: str) -> None:
    page = console.page
    sign_in(console, admin_key)
    page.get_by_label("Guidance").fill("99")
    wrong = page.get_by_label("Guidance")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#guidance-error")).to_be_visible()
    wrong.fill("2")
    expect(page.locator("#guidance-error")).to_be_hidden()
    assert all("422" in complaint for complaint in console.complaints)
    console.complaints.clear()  # the browser itself reports those


def test_shares_always_sum_to_100_percent(console: Watched) -> None:
    console.page.goto("/console/generate")
    module = console.page.locator("link[rel=stylesheet]").get_attribute("href").replace("style.css", "js/shares.js")  # type: ignore[union-attr]
    console.page.evaluate("async path => { window.shares = await import(path); }", module)

    @given(st.lists(st.integers(0, 1000), min_size=2, max_size=6), st.data())
    @settings(max_examples=100, deadline=None)
    def check(weights: list[int], data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(weights) - 1))
        value = data.draw(st.integers(0, 1000))
        touched = data.draw(st.permutations(range(len(weights))))[: data.draw(st.integers(0, len(weights)))]
        before, after = console.page.evaluate(
            "([w, k, v, t]) => { const b = shares.apportion(w, 1000); return [b, shares.rebalance(b, k, v, t)]; }",
            [weights, place, value, touched],
        )
        assert sum(before) == sum(after) == 1000
        assert min(after) >= 0
        assert after[place] == value

    check()
    kept = console.page.evaluate("shares.rebalance([300, 200, 500], 1, 100, [0])")
    assert kept == [300, 100, 600]  # the first was set before, so the third gives way
