"""Where a browser may be sent after it has signed in."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from service.console.places import HOME, is_page, safe_next, sign_in_address


@pytest.mark.parametrize("path", ["/console", "/console/jobs", "/console/jobs?status=failed&cursor=a", "/console/x#y"])
def test_a_page_of_ours_is_gone_back_to(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "jobs",
        "/jobs",
        "//evil.example.org/console",
        "https://evil.example.org/console",
        "/\\evil.example.org",
        "/console/../jobs/1/cohort",
        "/console\n",
        "javascript:alert(1)",
        "/consoles",
        "http://[",
    ],
)
def test_nothing_else_is(path: str | None) -> None:
    assert safe_next(path) == HOME


def test_the_way_there_and_back() -> None:
    address = sign_in_address("/console/jobs", "status=failed&kind=train")
    assert is_page(urlsplit(address).path)
    (wanted,) = parse_qs(urlsplit(address).query)["next"]
    assert safe_next(wanted) == "/console/jobs?status=failed&kind=train"
