"""Files on their way out: strong ETags from the manifest, 304, ranges, Parquet turned into CSV while it streams."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.api.middleware import is_head

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv; charset=utf-8"
HTML = "text/html; charset=utf-8"
ZIP = "application/zip"

POLICY = "Content-Security-Policy"
# A report may come from an imported model: let it draw and style itself, and nothing else.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"


class Download(FileResponse):
    """A file whose ETag is the SHA-256 of its content, so that a client can check, resume and revalidate it.

    It is sent whole, also when the thing that it belongs to is deleted meanwhile; 404 where that was before. `cleanup`
    is called at the end, however that comes.
    """

    def __init__(
        self,
        path: Path,
        *,
        sha256: str,
        media_type: str,
        filename: str,
        inline: bool = False,
        headers: dict[str, str] | None = None,
        cleanup: Callable[[], None] | None = None,
    ) -> None:
        self.cleanup = cleanup
        super().__init__(
            path,
            media_type=media_type,
            filename=filename,
            content_disposition_type="inline" if inline else "attachment",
            headers={"ETag": f'"{sha256}"', "Cache-Control": "private, no-cache", **(headers or {})},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, a part of it, its headers only, or 304."""
        if is_head(scope):
            scope = {**scope, "method": "HEAD"}
        try:
            if is_unchanged(Request(scope), self.headers["etag"]):
                await not_modified(self.headers["etag"], policy=self.headers.get(POLICY))(scope, receive, send)
            else:
                await self._send_held(scope, receive, send)
        finally:  # also when the client goes away in the middle
            if self.cleanup is not None:
                await run_in_threadpool(self.cleanup)

    async def _send_held(self, scope: Scope, receive: Receive, send: Send) -> None:
        with await run_in_threadpool(held_open, Path(self.path)) as file:
            self.path = f"/proc/self/fd/{file.fileno()}"  # leads to the file whether or not it still has a name
            await super().__call__(scope, receive, send)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """As in Starlette, but answers as problem documents, and a malformed range is no range (RFC 9110, 14.2)."""
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable as error:
            size = error.max_size
            raise HTTPException(
                416, f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"}
            ) from None


def held_open(path: Path) -> IO[bytes]:
    """The file, which its deletion no longer takes away; HTTPException 404 if it came first."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise HTTPException(404, "it has been deleted") from None


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the client's `If-None-Match` says that it has this content already."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known or "*" in known


def not_modified(etag: str, *, policy: str | None = None) -> Response:
    """304, with the headers that go with it. A browser takes its `policy` in place of the one that it has kept."""
    said = {} if policy is None else {POLICY: policy}
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "private, no-cache", **said})


def csv_download(request: Request, path: Path, *, sha256: str, filename: str) -> Response:
    """A Parquet file as CSV, made row group by row group while it is sent. Missing values are empty fields.

    HTTPException 404 where it has just been deleted.
    """
    return made_download(
        request, lambda: _csv_parts(held_open(path)), etag=f'"{sha256}-csv"', media_type=CSV, filename=filename
    )


def made_download(
    request: Request, parts: Callable[[], Iterator[bytes]], *, etag: str, media_type: str, filename: str
) -> Response:
    """A file that is made while it is sent, of the `parts` that are asked for once they are needed."""
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    if is_unchanged(request, etag):
        return not_modified(etag)
    if is_head(request.scope):
        return Response(media_type=media_type, headers=headers)
    return StreamingResponse(parts(), media_type=media_type, headers=headers)


def _csv_parts(opened: IO[bytes]) -> Iterator[bytes]:
    with opened, pq.ParquetFile(opened) as file:
        for number, batch in enumerate(_batches(file)):
            table = pa.Table.from_batches([_without_nan(batch)])
            buffer = io.BytesIO()
            pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=number == 0))
            yield buffer.getvalue()


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows, a group after the other: asked for all groups at once, pyarrow keeps the bytes of every group read."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(row_groups=[group])


def _without_nan(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if pa.types.is_floating(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
