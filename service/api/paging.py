"""Lists in pages: newest first, with an opaque cursor that stays valid while things come and go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Generic, Protocol, TypeVar

from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.fields import BadFields, FieldError
from service.contracts.ids import is_id


class HasId(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str:
        """The id by which lists are sorted."""


NO_CURSOR = "not a cursor of this list"

AnyRecord = TypeVar("AnyRecord", bound=HasId)
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Part of a list. `next_cursor` leads to the next part; null at the end."""

    items: list[Item]
    next_cursor: str | None


Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]


def after(ids: Iterable[str], cursor: str | None) -> Iterator[str]:
    """The ids (newest first) that come after the page that gave `cursor`; BadFields if no page did."""
    last = None if cursor is None else _decoded(cursor)
    return (thing_id for thing_id in ids if last is None or thing_id < last)


def take(records: Iterator[AnyRecord], limit: int) -> tuple[list[AnyRecord], str | None]:
    """The first `limit` records, and the cursor to what follows; no more than `limit` + 1 are read."""
    found = list(islice(records, limit + 1))
    more = len(found) > limit
    return found[:limit], _encoded(found[limit - 1].id) if more else None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Say in a `Link` header where the next page is."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{request.scope["path"]}?{url.query}>; rel="next"'


def place(cursor: str) -> int:
    """The number in a cursor of a list whose ids are numbers; BadFields if it is none."""
    thing_id = _decoded(cursor)
    if not thing_id.isdecimal():
        raise BadFields([FieldError(pointer="?cursor", message=NO_CURSOR)])
    return int(thing_id)


def _encoded(thing_id: str) -> str:
    return base64.urlsafe_b64encode(thing_id.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        thing_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        thing_id = ""
    if not is_id(thing_id):
        raise BadFields([FieldError(pointer="?cursor", message=NO_CURSOR)])
    return thing_id
