from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.api.bodies import prefers_html
from service.api.downloads import Download, held_open
from service.contracts.storage import ArtifactStore
from tests.service.making import add_job, add_model, finish_generate


@pytest.fixture
def content(client: httpx.Client, store: ArtifactStore) -> bytes:
    """The cohort of job-1."""
    add_model(store)
    add_job(store, "job-1")
    return finish_generate(store, "job-1")


def get(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.get("/jobs/job-1/cohort", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_part_of_the_file(client: httpx.Client, content: bytes) -> None:
    part = get(client, Range="bytes=4-9")
    assert part.status_code == 206
    assert part.content == content[4:10]
    assert part.headers["content-range"] == f"bytes 4-9/{len(content)}"
    assert get(client, Range="bytes=-5").content == content[-5:]
    assert get(client, Range=f"bytes={len(content) - 1}-").content == content[-1:]


def test_a_download_is_resumed_only_if_the_file_is_the_same(client: httpx.Client, content: bytes) -> None:
    etag = get(client).headers["etag"]
    assert get(client, Range="bytes=4-9", If_Range=etag).status_code == 206
    whole = get(client, Range="bytes=4-9", If_Range='"other"')
    assert (whole.status_code, whole.content) == (200, content)


def test_a_part_beyond_the_end(client: httpx.Client, content: bytes) -> None:
    response = get(client, Range=f"bytes={len(content)}-")
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(content)}"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["bytes=9-4", "bytes=a-b", "lines=1-2", "bytes", "bytes=", ""])
def test_a_range_that_is_none_is_ignored(client: httpx.Client, content: bytes, value: str) -> None:
    response = get(client, Range=value)
    assert (response.status_code, response.content) == (200, content)


@pytest.mark.parametrize("pattern", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("path", ["cohort", "cohort?format=csv", "report", "report.html"])
def test_what_the_client_has_is_not_sent_again(client: httpx.Client, content: bytes, path: str, pattern: str) -> None:
    assert content
    etag = client.get(f"/jobs/job-1/{path}").headers["etag"]
    assert etag.startswith('"')
    response = client.get(f"/jobs/job-1/{path}", headers={"If-None-Match": pattern.format(etag)})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    assert client.get(f"/jobs/job-1/{path}", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["cohort", "cohort?format=csv", "report", "report.html"])
def test_head_gives_the_headers_of_get(client: httpx.Client, content: bytes, path: str) -> None:
    assert content
    full, head = client.get(f"/jobs/job-1/{path}"), client.head(f"/jobs/job-1/{path}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-disposition"):
        assert head.headers[name] == full.headers[name]
    if "csv" not in path:
        assert head.headers["content-length"] == str(len(full.content))
        assert head.headers["accept-ranges"] == "bytes"


def test_head_of_a_part(client: httpx.Client, content: bytes) -> None:
    assert content
    response = client.head("/jobs/job-1/cohort", headers={"Range": "bytes=0-3"})
    assert (response.status_code, response.headers["content-length"], response.content) == (206, "4", b"")


def test_representations_have_different_etags(client: httpx.Client, content: bytes) -> None:
    assert content
    paths = ("cohort", "cohort?format=csv", "report", "report.html")
    assert len({client.get(f"/jobs/job-1/{path}").headers["etag"] for path in paths}) == 4


def sent(path: Path, *, deleted_before: bool) -> bytes:
    """The body of a download whose file is deleted before or while it is sent."""
    parts: list[bytes] = []

    async def send(message: Message) -> None:
        path.unlink(missing_ok=True)
        parts.append(message.get("body", b""))

    async def receive() -> Message:
        raise AssertionError("nobody asks the client")

    if deleted_before:
        path.unlink()
    scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "headers": []}
    asyncio.run(Download(path, sha256="0", media_type="text/plain", filename="file")(scope, receive, send))
    return b"".join(parts)


def test_what_is_deleted_while_it_is_sent_is_sent_whole_and_what_was_deleted_before_is_not_found(
    tmp_path: Path,
) -> None:
    path, content = tmp_path / "file", bytes(range(256)) * 1000
    path.write_bytes(content)
    assert sent(path, deleted_before=False) == content
    path.write_bytes(content)
    with pytest.raises(HTTPException, match="404"):
        sent(path, deleted_before=True)
    with pytest.raises(HTTPException, match="404"):
        held_open(path)  # as for CSV


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", True),
        ("text/html;q=0.5, application/json", False),
        ("application/json;q=0.5, text/*", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=broken", False),
        ("TEXT/HTML", True),
    ],
)
def test_html_is_sent_to_whoever_prefers_it(accept: str, *, html: bool) -> None:
    assert prefers_html(accept) is html


def csv_peak(path: Path, n_groups: int) -> int:
    """Bytes that it takes to turn a Parquet file of 1.3 MB a row group into CSV, beyond what was resident before."""
    from service.api.downloads import _csv_parts
    from tests.load.memory import peak, reset_peak

    rng = np.random.default_rng(0)
    schema = pa.schema([(f"vital_{k}", pa.float64()) for k in range(8)])
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(n_groups):
            writer.write_table(pa.table([rng.normal(size=20_000) for _ in range(8)], schema=schema))
    before = reset_peak()
    assert sum(part.count(b"\n") for part in _csv_parts(path.open("rb"))) == 1 + 20_000 * n_groups
    return peak() - before


def test_a_csv_is_made_without_keeping_what_has_been_sent(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        few, many = (pool.apply(csv_peak, (tmp_path / f"{n}.parquet", n)) for n in (5, 30))
    assert many - few < 10_000_000  # of a file that is 32 MB larger
