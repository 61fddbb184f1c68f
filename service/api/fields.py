"""What is wrong with single fields of a request, told by their places and never by their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from pydantic import BaseModel, Field

from service.contracts.errors import ServiceError

MAX_POINTER = 200
SHOWN = 5  # errors in the detail; `errors` has them all, or so many:
MAX_ERRORS = 1000


class FieldError(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(
        description="JSON Pointer (RFC 6901) into the body, `?name` for a query parameter, or the name of a header"
    )
    message: str


class BadFields(ServiceError):
    """Fields of a body that cannot be used as they are."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        more = f" (and {len(errors) - SHOWN} more)" if len(errors) > SHOWN else ""
        super().__init__("; ".join(f"{error.pointer}: {error.message}" for error in errors[:SHOWN]) + more)
        self.errors = list(errors)


def field_errors(errors: Iterable[Mapping[str, Any]], body: object, prefix: str = "") -> list[FieldError]:
    """Pydantic's errors, the first MAX_ERRORS, without the input that they quote.

    Of a union, only the branch that came furthest.
    """
    first = islice(errors, MAX_ERRORS)
    found = [FieldError(pointer=prefix + _pointer(error, body), message=_message(error)) for error in first]
    around = {pointer for error in found for pointer in _around(error.pointer)}
    inner = [error for error in found if error.pointer not in around]
    return list({(error.pointer, error.message): error for error in inner}.values())


def errors_elsewhere(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors in a query or in headers."""
    return [FieldError(pointer=_place(error["loc"]), message=_message(error)) for error in errors]


def _place(location: Sequence[str | int]) -> str:
    return str(location[-1]) if location[0] == "header" else f"?{location[-1]}"


def _message(error: Mapping[str, Any]) -> str:
    return _encodable(str(error["msg"])).removeprefix("Value error, ")


def _pointer(error: Mapping[str, Any], body: object) -> str:
    """The part of pydantic's location that exists in the body: it also names the branches of unions."""
    *_, last = error["loc"] or ("",)
    parts: list[str] = []
    here = body
    for step in error["loc"]:
        if _has(here, step):
            here = cast(Any, here)[step]
            parts.append(escaped(str(step)))
    if error["type"] == "missing":
        parts.append(escaped(str(last)))
    return "".join(f"/{part}" for part in parts)[:MAX_POINTER]


def _has(container: object, step: str | int) -> bool:
    if isinstance(container, dict):
        return step in container
    return isinstance(container, list) and isinstance(step, int) and step < len(container)


def escaped(step: str) -> str:
    """A name as a part of a JSON Pointer."""
    return _encodable(step).replace("~", "~0").replace("/", "~1")


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON may hold and UTF-8 may not."""
    return text.encode(errors="replace").decode()


def _around(pointer: str) -> Iterator[str]:
    """The pointers to everything that this one is inside of."""
    return (pointer[:end] for end, letter in enumerate(pointer) if letter == "/")
