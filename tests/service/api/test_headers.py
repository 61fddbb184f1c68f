"""What every answer tells a browser; that the pages work under it, a browser has shown (docs/attack-surface.md)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import httpx
import pytest
from starlette.responses import PlainTextResponse

from service.api.headers import API_POLICY, SecurityHeaders
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import Keyed
from tests.service.making import add_model

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def check_headers(answer: httpx.Response) -> None:
    assert EVERYWHERE.items() <= dict(answer.headers).items()
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers["cache-control"] in ("no-store", "no-cache", "private, no-cache")
    own = "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == ("SAMEORIGIN" if own else "DENY")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        *("/livez", "/readyz", "/jobs", "/jobs/nothing", "/nothing", "/jobs?limit=x", "/metrics", "/"),
        *("/openapi.json", "/docs", "/redoc", "/static-offline-docs/swagger-ui.css"),
        *("/models/model-1/report.html", "/models/model-1/archive"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "OPTIONS"])
def test_every_answer_has_them(client: httpx.Client, store: ArtifactStore, method: str, path: str) -> None:
    add_model(store)
    check_headers(client.request(method, path))


def test_refusals_have_them_too(keyed: Keyed, client: httpx.Client) -> None:
    check_headers(keyed.client.get("/jobs"))
    check_headers(client.get("/livez", headers={"Host": "evil.example.org"}))
    check_headers(client.post("/jobs/generate", content=b" " * 2**21, headers={"Content-Type": "application/json"}))


def test_an_answer_of_the_api_is_no_page_and_is_not_kept(client: httpx.Client) -> None:
    answer = client.get("/jobs")
    assert answer.headers["content-security-policy"] == API_POLICY
    assert answer.headers["cache-control"] == "no-store"


def test_what_has_an_etag_may_be_kept_by_the_browser_alone(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    answer = client.get("/models/model-1/report")
    assert answer.headers["cache-control"] == "private, no-cache"
    again = client.get("/models/model-1/report", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    check_headers(again)


def test_a_report_runs_nothing_and_is_shown_by_our_own_pages_alone(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    answer = client.get("/models/model-1/report.html")
    policy = answer.headers["content-security-policy"]
    again = client.get("/models/model-1/report.html", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["content-security-policy"]) == (304, policy)
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} <= set(policy.split("; "))
    assert "script-src" not in policy


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_runs_its_own_scripts_and_no_others(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert policy["script-src"].split() == ["'self'", *(f"'sha256-{known}'" for known in hashes)]
    assert len(inline) == (path == "/docs")
    assert "unsafe" not in policy["script-src"]


@pytest.mark.parametrize("origin", ["https://evil.example.org", "http://localhost", "null"])
def test_no_other_site_may_read_an_answer(client: httpx.Client, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-csrf-token",
    }
    for answer in (client.get("/livez", headers=asked), client.options("/jobs/generate", headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert client.options("/jobs/generate", headers=asked).status_code == 405


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_over_tls_a_browser_shall_never_ask_without(scheme: str) -> None:
    async def answered() -> httpx.Response:
        transport = httpx.ASGITransport(app=SecurityHeaders(PlainTextResponse("here")))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://icu.example.org") as client:
            return await client.get("/livez")

    assert ("strict-transport-security" in asyncio.run(answered()).headers) == (scheme == "https")
