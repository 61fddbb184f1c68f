"""Which dataset or model is meant: by an id, by a name that only one has, or by the object itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from cdmt_client.effects import Flow, Json, Request, Tell
from cdmt_client.errors import Ambiguous, NotFound
from cdmt_client.records import Dataset, JobFacts, Model
from cdmt_client.retrying import Retries, answered

ID = re.compile(r"[a-z0-9][a-z0-9-]{2,63}")
PAGE = 100
SHOWN = 10

ModelReference: TypeAlias = str | Model | JobFacts | None
"""An id, a name, a model, the job that trained it; None: the only one that there is."""
DatasetReference: TypeAlias = str | Dataset


def model(reference: ModelReference, retries: Retries) -> Flow[Json]:
    """The record of the model that is meant; NotFound or Ambiguous."""
    if isinstance(reference, JobFacts):
        reference = str(reference.model_id)
    return (yield from _found("model", reference.id if isinstance(reference, Model) else reference, retries))


def dataset(reference: DatasetReference, retries: Retries) -> Flow[Json]:
    """The record of the dataset that is meant; NotFound or Ambiguous."""
    name = reference.id if isinstance(reference, Dataset) else reference
    return (yield from _found("dataset", name, retries))


def listed(
    path: str, retries: Retries, *, params: Mapping[str, str] | None = None, limit: int | None = None
) -> Flow[None]:
    """Tells each item of a list, the newest first, page after page, `limit` of them at most."""
    cursor: str | None = ""
    left = math.inf if limit is None else limit
    while cursor is not None and left > 0:
        items, cursor = yield from _page(path, retries, params={**(params or {}), "cursor": cursor}, size=left)
        for item in items:
            yield Tell(item)
        left -= len(items)


def filters(*, status: str | None, kind: str | None, created_after: datetime | None) -> dict[str, str]:
    """Which jobs a list shall have, as parameters. A time without a zone is local."""
    after = None if created_after is None else created_after.astimezone().isoformat()
    given = {"status": status, "kind": kind, "created_after": after}
    return {name: value for name, value in given.items() if value is not None}


def all_of(path: str, retries: Retries) -> Flow[list[Json]]:
    """All items of a list."""
    items, cursor = yield from _page(path, retries, params={}, size=PAGE)
    while cursor is not None:
        more, cursor = yield from _page(path, retries, params={"cursor": cursor}, size=PAGE)
        items += more
    return items


def _page(
    path: str, retries: Retries, *, params: Mapping[str, str], size: float
) -> Flow[tuple[list[Json], str | None]]:
    """The items of a page, and the cursor to the next."""
    asked = {name: value for name, value in params.items() if value}
    request = Request("GET", path, params={**asked, "limit": int(min(size, PAGE))})
    page = (yield from answered(request, retries)).json()
    return list(page["items"]), page["next_cursor"]


def _found(noun: str, name: str | None, retries: Retries) -> Flow[Json]:
    """The one of this id; else the one of this name."""
    if name is not None and ID.fullmatch(name):
        try:
            return (yield from answered(Request("GET", f"/{noun}s/{name}"), retries)).json()
        except NotFound:
            pass
    there = yield from all_of(f"/{noun}s", retries)
    meant = [item for item in there if name is None or item["name"] == name]
    if len(meant) == 1:
        return meant[0]
    if name is not None and not meant:
        raise NotFound(404, {"detail": f"there is no {noun} with the id or the name '{name}'"})
    told = ", ".join(f"'{item['id']}' ({item['name']})" for item in meant[:SHOWN]) or "none"
    which = f"several {noun}s are called '{name}'" if name else f"there is not exactly one {noun}"
    raise Ambiguous(f"{which}; say which by its id: {told}")
