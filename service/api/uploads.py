"""Forms with a file, taken in as they arrive: the file goes to the disk, never as a whole into the memory."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from model.spec.files import Files
from service.api.fields import BadFields, FieldError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE = "file"
MAX_FIELD_BYTES = 1 << 20
WRITE_BYTES = 1 << 20


@dataclass
class Upload:
    """What a form held: its `file` at `path`, and its other fields as text."""

    path: Path
    filename: str | None = None
    sha256: str = ""
    bytes: int = 0
    fields: dict[str, str] = field(default_factory=dict)


async def receive_upload(request: Request, path: Path, *, files: Files, fields: Collection[str] = ()) -> Upload:
    """Write the form's `file` to `path`, as `files` do. `fields` are the names of the other fields that it may have.

    Raises BadFields for a missing, unknown or repeated field, and HTTPException 400 for what is no form.
    """
    _, options = parse_options_header(request.headers.get("content-type", ""))
    with files.create(path) as file:
        form = _Form(file, fields=fields)
        try:
            parser = MultipartParser(options.get(b"boundary", b""), form.callbacks())
            async for chunk in request.stream():
                parser.write(chunk)
                if len(form.pending) >= WRITE_BYTES:
                    await run_in_threadpool(form.flush)
            parser.finalize()
        except FormParserError as error:
            raise HTTPException(400, "the body is not a valid multipart/form-data form") from error
        await run_in_threadpool(form.flush)
    return form.upload(path)


class _Form:
    """What the parser calls as it comes upon parts, headers and data."""

    def __init__(self, file: IO[bytes], *, fields: Collection[str]) -> None:
        self.pending = bytearray()  # of the file, not written yet
        self._file = file
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._known = (FILE, *fields)
        self._fields: dict[str, bytearray] = {}
        self._filename: str | None = None
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._name = ""
        self._complete = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def flush(self) -> None:
        self._file.write(self.pending)
        self._hash.update(self.pending)
        self._bytes += len(self.pending)
        self.pending.clear()

    def upload(self, path: Path) -> Upload:
        if not self._complete:
            raise HTTPException(400, "the form ends before its last boundary")
        if FILE not in self._fields:
            raise BadFields([FieldError(pointer=f"/{FILE}", message="the form has no such field")])
        texts = {name: _text(name, value) for name, value in self._fields.items() if name != FILE}
        return Upload(path, self._filename, self._hash.hexdigest(), self._bytes, texts)

    def _begin_part(self) -> None:
        self._disposition = b""

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header.extend(data[start:end])

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value.extend(data[start:end])

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name not in self._known:
            known = ", ".join(self._known)
            raise BadFields([FieldError(pointer=f"/{self._name[:64]}", message=f"unknown field; known: {known}")])
        if self._name in self._fields:
            raise BadFields([FieldError(pointer=f"/{self._name}", message="given more than once")])
        self._fields[self._name] = bytearray()
        if self._name == FILE and b"filename" in options:
            self._filename = options[b"filename"].decode(errors="replace")

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self.pending.extend(data[start:end])
            return
        value = self._fields[self._name]
        value.extend(data[start:end])
        if len(value) > MAX_FIELD_BYTES:
            raise BadFields([FieldError(pointer=f"/{self._name}", message=f"longer than {MAX_FIELD_BYTES} bytes")])

    def _end(self) -> None:
        self._complete = True


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadFields([FieldError(pointer=f"/{name}", message="not text in UTF-8")]) from None
