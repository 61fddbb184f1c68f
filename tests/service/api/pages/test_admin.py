"""The page of admins: workers, keys, and the audit log, whose secrets and values are on no page."""

from __future__ import annotations

import httpx

from tests.service.api.conftest import Keyed
from tests.service.api.pages.reading import read, words


def test_keys_and_what_was_done(keyed: Keyed) -> None:
    headers = keyed.key("root", "admin")
    made = keyed.client.post("/keys", json={"name": "ann", "scopes": ["read"]}, headers=headers).json()
    page = read(keyed.client, "/console/admin", **headers)
    assert made["key"] not in page
    assert f'data-remove="/keys/{made["id"]}"' in page
    assert "root key.create" in words(page)
    keyed.client.delete(f"/keys/{made['id']}", headers=headers)
    assert "ann" in words(read(keyed.client, "/console/admin?action=key.revoke", **headers))
    assert "No entry is like this." in words(read(keyed.client, "/console/admin?by=nobody", **headers))


def test_what_cannot_be_read_of_the_log_is_said(keyed: Keyed) -> None:
    headers = keyed.key("root", "admin")
    keyed.client.post("/keys", json={"name": "ann", "scopes": ["read"]}, headers=headers)
    assert "Not all of the log" not in words(read(keyed.client, "/console/admin", **headers))
    (path,) = keyed.settings.audit_folder.glob("*.jsonl")
    path.write_text(path.read_text().replace('"key.create"', '"key.revoke"'))
    assert "1 line between these entries is none as it was written" in words(
        read(keyed.client, "/console/admin", **headers)
    )


def test_an_unknown_filter_shows_everything(keyed: Keyed) -> None:
    headers = keyed.key("root", "admin")
    assert "No key yet" not in words(read(keyed.client, "/console/admin?action=nothing&outcome=none", **headers))


def test_without_workers_it_says_how_to_start_one(keyed: Keyed) -> None:
    page = words(read(keyed.client, "/console/admin", **keyed.key("root", "admin")))
    assert "No worker is alive, so that jobs wait." in page


def test_nobody_else_gets_there(client: httpx.Client) -> None:
    assert (
        client.get("/console/admin", headers={"Accept": "text/html"}).status_code == 403
    )  # no admin, no key asked for
