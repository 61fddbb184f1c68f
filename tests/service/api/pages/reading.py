"""What tests of the console's pages read them with."""

from __future__ import annotations

import re
from html import unescape

import httpx

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def read(client: httpx.Client, path: str, **headers: str) -> str:
    """The page at `path`, which must be one."""
    answer = client.get(path, headers=BROWSER | headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    check_strict(answer)
    return answer.text


def check_strict(answer: httpx.Response) -> None:
    """Nothing inline, nothing from elsewhere, nothing kept."""
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", answer.text)
    assert not re.search(r'(?:src|href|action)="(?!/|#|\?)', answer.text)


def words(page: str) -> str:
    """The text of a page, without its marks."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))
