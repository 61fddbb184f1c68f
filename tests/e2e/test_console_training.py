"""The other half of the console in a real browser: a table comes in, is corrected, learned from, and looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from service.contracts.requests import TrainRequest
from tests.e2e.browser import Watched, run_shown
from tests.e2e.test_console import sign_in
from tests.worker.tables import made_up_stays

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_from_a_table_to_a_model(console: Watched, client: httpx.Client, admin_key: str, tmp_path: Path) -> None:
    page = console.page
    sign_in(console, admin_key)
    page.goto("/console/datasets")
    made_up_stays(200).to_parquet(tmp_path / "ward.parquet", index=False)
    page.get_by_label("Drop a Parquet or CSV file here").set_input_files(tmp_path / "ward.parquet")
    expect(page.get_by_role("heading", name="What was found in it")).to_be_focused(timeout=60_000)
    n_before = len(client.get("/datasets").json()["items"])
    expect(page.locator("#found")).to_contain_text("stays200")
    console.check_accessible("upload")

    page.get_by_label("Name", exact=True).fill("ward")
    page.get_by_label("unit of heart_rate").fill("/min")
    page.get_by_label("max of heart_rate").fill("250")
    made = run_shown(page, "python", key=admin_key, folder=tmp_path, then="print(dataset.id)")
    assert client.get(f"/datasets/{made.split()[-1]}").json()["schema"]["features"][0]["max"] == 250
    client.delete(f"/datasets/{made.split()[-1]}").raise_for_status()
    made = run_shown(page, "curl", key=admin_key, folder=tmp_path)
    client.delete(f"/datasets/{json.loads(made)['id']}").raise_for_status()

    page.get_by_role("button", name="Store the dataset").click()
    page.wait_for_url("**/console/datasets/*")
    expect(page.get_by_role("heading", name="ward")).to_be_visible()
    console.check_accessible("dataset")
    stored = client.get("/datasets").json()["items"]
    assert len(stored) == n_before + 1
    (heart_rate,) = [one for one in stored[0]["schema"]["features"] if one["name"] == "heart_rate"]
    assert (heart_rate["unit"], heart_rate["max"]) == ("/min", 250)

    page.get_by_role("link", name="Train a model on it").click()
    page.get_by_label("Name of the model").fill("ward-model")
    page.get_by_text("Advanced").click()
    page.get_by_label("Longest duration in minutes").fill("0.3")
    command = page.locator("[data-code=curl]").text_content() or ""
    body = json.loads(command.partition(" -d '")[2].removesuffix("'"))
    page.get_by_label("Differential privacy: epsilon").fill("8")
    expect(page.locator("[data-code=curl]")).to_contain_text('"privacy":{"epsilon":8}')
    page.get_by_label("Differential privacy: epsilon").fill("")
    assert body == {"dataset_id": stored[0]["id"], "name": "ward-model", "training": {"max_minutes": 0.3}}
    console.check_accessible("train")
    page.get_by_role("button", name="Start the training").click()
    page.wait_for_url("**/console/jobs/*")
    job = page.url.rpartition("/")[2]
    expect(page.locator("#losses .curve")).to_have_attribute("points", re.compile(r"(\S+ ){7}"))
    console.check_accessible("training")
    expect(page.locator("#job")).to_have_attribute("data-status", "succeeded", timeout=120_000)
    assert "model" in run_shown(page, "python", key=admin_key, folder=tmp_path, then="print(report['kind'])")

    page.get_by_role("link", name="Use the same request again").click()
    expect(page.get_by_label("Name of the model")).to_have_value("ward-model")
    again = json.loads((page.locator("[data-code=curl]").text_content() or "").partition(" -d '")[2].removesuffix("'"))
    asked = client.get(f"/jobs/{job}").json()["request"]
    assert TrainRequest.model_validate(again) == TrainRequest.model_validate(asked)

    page.goto("/console/models")
    expect(page.get_by_role("link", name="ward-model")).to_be_visible()
    console.check_accessible("models")
    page.get_by_role("link", name="ward-model").click()
    expect(page.frame_locator("iframe.report").get_by_role("heading").first).to_be_visible()
    page.get_by_text("How it was made").click()
    expect(page.locator("#losses .curve")).to_have_attribute("points", re.compile(r"(\S+ ){20}"))
    console.check_accessible("model")
    with page.expect_download() as started:
        page.get_by_role("link", name="Archive").click()
    started.value.save_as(tmp_path / "model.zip")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/console/models")
    assert "ward-model" in run_shown(page, "python", key=admin_key, folder=tmp_path, then="print(model.name)")
    client.delete(f"/models/{job}").raise_for_status()
    page.get_by_label("Archive of a model").set_input_files(tmp_path / "model.zip")
    page.get_by_role("button", name="Take it in").click()
    page.wait_for_url("**/console/models/*")
    expect(page.get_by_role("heading", name="ward-model")).to_be_visible()


def test_a_key_is_made_shown_once_and_revoked(console: Watched, admin_key: str) -> None:
    page = console.page
    sign_in(console, admin_key)
    page.goto("/console/admin")
    expect(page.locator("caption", has_text="Workers that are alive")).to_be_attached()
    console.check_accessible("admin")
    page.get_by_label("For whom").fill("a-visitor")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#secret")).to_contain_text("cdmt_")
    secret = page.locator("#secret").inner_text()
    page.reload()
    assert secret not in page.content()
    row = page.get_by_role("row").filter(has_text="a-visitor")
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")


def test_a_table_that_is_none_is_explained(console: Watched, admin_key: str, tmp_path: Path) -> None:
    page = console.page
    sign_in(console, admin_key)
    page.goto("/console/datasets")
    (tmp_path / "letter.csv").write_text("dear,colleague\nplease,find\n")
    page.get_by_label("Drop a Parquet or CSV file here").set_input_files(tmp_path / "letter.csv")
    expect(page.get_by_role("alert")).to_be_visible(timeout=30_000)
    console.complaints.clear()  # the browser itself reports the 422
