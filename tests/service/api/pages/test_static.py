from __future__ import annotations

import httpx

from service.console.assets import STATIC, address
from tests.service.api.conftest import Keyed
from tests.service.api.test_bad_input import check_problem


def test_files_are_kept_for_ever_under_their_own_address(keyed: Keyed) -> None:
    answer = keyed.client.get(address("js/api.js"))
    assert answer.content == (STATIC / "js" / "api.js").read_bytes()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert keyed.client.get(address("icon.svg")).headers["content-type"] == "image/svg+xml"


def test_and_never_under_another_s(client: httpx.Client) -> None:
    assert client.get("/console/static/of-before/style.css").headers["cache-control"] == "no-store"


def test_nothing_else_is_a_file_of_ours(client: httpx.Client) -> None:
    for path in ("x/..%2fassets.py", "x/layout.html.j2", "x/%2e%2e/assets.py", "x/"):
        check_problem(client.get(f"/console/static/{path}"), 404)
