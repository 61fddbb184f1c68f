"""Who has no session is asked to sign in, and goes on to where they wanted to go."""

from __future__ import annotations

import re

import httpx
import pytest

from service.api.access import PAGE_RULES, RULES
from service.api.app import create_app
from service.api.pages.shell import PLACES
from service.contracts.settings import Settings
from tests.service.api.conftest import Keyed
from tests.service.api.pages.reading import BROWSER, check_strict, read, words
from tests.service.api.test_access import every_path
from tests.service.api.test_bad_input import check_problem


def test_every_page_has_a_rule(settings: Settings) -> None:
    app = create_app(settings, redis_url="redis://127.0.0.1:1")
    pages = {f"GET {path}" for path in every_path(app.routes) if path.startswith("/console") and "/static/" not in path}
    assert pages == set(PAGE_RULES)
    assert not set(RULES) & set(PAGE_RULES)


def test_the_navigation_names_pages_by_their_rules() -> None:
    assert {f"GET {place.path}": (place.scope,) for place in PLACES}.items() <= PAGE_RULES.items()


def test_a_stranger_is_asked_to_sign_in(keyed: Keyed) -> None:
    answer = keyed.client.get("/console/jobs?status=failed", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?next=/console/jobs%3Fstatus%3Dfailed")
    page = read(keyed.client, answer.headers["location"])
    assert 'data-next="/console/jobs?status=failed"' in page


def test_a_program_is_told_what_it_lacks(keyed: Keyed) -> None:
    check_problem(keyed.client.get("/console/jobs"), 401, "Authorization: Bearer")
    check_problem(keyed.client.get("/jobs", headers=BROWSER), 401)
    wrong = {"Authorization": "Bearer cdmt_0123456789ab_" + "x" * 43}
    assert keyed.client.get("/console/jobs", headers=BROWSER | wrong).status_code == 401


@pytest.mark.parametrize("target", ["//evil.example.org", "https://evil.example.org/console", '"><script>'])
def test_nobody_is_led_elsewhere(keyed: Keyed, target: str) -> None:
    page = read(keyed.client, str(httpx.URL("/signin", params={"next": target})))
    assert 'data-next="/console"' in page


def test_with_a_session_the_page_is_there_with_its_token(keyed: Keyed) -> None:
    opened = keyed.client.post("/session", headers=keyed.key("ann", "read", "generate")).json()
    page = read(keyed.client, "/console")
    assert f'<meta name="csrf-token" content="{opened["csrf_token"]}">' in page
    assert re.findall(r'<li><a href="/console/(\w+)"', page) == ["generate", "jobs", "datasets", "models"]
    assert "ann Sign out" in words(page)


def test_an_ended_session_is_sent_to_sign_in(keyed: Keyed) -> None:
    keyed.client.post("/session", headers=keyed.key("ann", "read"))
    for record in keyed.keys.records():
        keyed.keys.revoke(record.id)
    assert keyed.client.get("/console", headers=BROWSER).status_code == 303


def test_who_may_not_is_told_so_in_words(keyed: Keyed) -> None:
    keyed.client.post("/session", headers=keyed.key("ann", "generate"))
    refused = keyed.client.get("/console/jobs", headers=BROWSER)
    check_strict(refused)
    assert refused.status_code == 403
    assert "'read'" in words(refused.text)
    assert refused.headers["x-request-id"] in refused.text
    assert "may not look at anything" in words(read(keyed.client, "/console"))


def test_the_root_leads_people_to_the_console_and_programs_to_the_documentation(client: httpx.Client) -> None:
    assert client.get("/", headers=BROWSER).headers["location"] == "/console"
    assert client.get("/", headers={"Accept": "application/json"}).headers["location"] == "/docs"


def test_a_page_that_is_not_there(client: httpx.Client) -> None:
    lost = client.get("/console/jobs/ffffffffffff", headers=BROWSER)
    check_strict(lost)
    assert lost.status_code == 404
    assert "may have been deleted" in words(lost.text)
    check_problem(client.get("/console/jobs/ffffffffffff"), 404)
