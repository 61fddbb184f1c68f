"""Keys, for admins: make, list, rotate, revoke. `cdmt keys` does the same on the machine, without a key."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, Field

from model.spec.base import Spec
from service.api.auditing import key_event
from service.api.deps import CallerDep, ServicesDep, json_only
from service.api.paging import Page
from service.contracts.jobs import now
from service.contracts.keys import (
    MAX_DAYS,
    MAX_OVERLAP_HOURS,
    KeyRecord,
    KeyRequest,
    KeyState,
    NewKey,
    Scope,
)

router = APIRouter(prefix="/keys", tags=["access"])


class Rotation(Spec):
    """How a key gets another secret."""

    overlap_hours: float = Field(0, ge=0, le=MAX_OVERLAP_HOURS, description="for how long the old one is good, too")
    days: int | None = Field(
        None, ge=0, le=MAX_DAYS, description="until it expires; 0: never; absent: when it would have"
    )


class KeyView(Spec):
    """What may be known of a key."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    state: KeyState
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    rotated_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class ShownKey(KeyView):
    """A key itself, which is shown this once."""

    key: str


@router.post("", status_code=201, dependencies=[Depends(json_only)])
def create(body: KeyRequest, response: Response, services: ServicesDep, caller: CallerDep) -> ShownKey:
    """Make a key. The answer shows it, and nothing does again: no Idempotency-Key here, which would keep it."""
    new = services.authenticator.keys.create(
        body.name,
        scopes=body.scopes,
        days=body.days,
        witness=lambda record: services.audit.recorded(key_event("key.create", record, caller)),
    )
    return _shown(new, response)


@router.get("")
def list_keys(services: ServicesDep) -> Page[KeyView]:
    """All keys, newest first, those that have ended among them. There are few: one page holds them."""
    return Page(items=[_view(record) for record in services.authenticator.keys.records()], next_cursor=None)


@router.get("/{key_id}")
def get_key(key_id: str, services: ServicesDep) -> KeyView:
    """A key."""
    return _view(services.authenticator.keys.read(key_id))


@router.post("/{key_id}/rotate", dependencies=[Depends(json_only)])
def rotate(key_id: str, body: Rotation, response: Response, services: ServicesDep, caller: CallerDep) -> ShownKey:
    """Give a key another secret, which the answer shows; 409 for a key that has ended."""
    new = services.authenticator.keys.rotate(
        key_id,
        overlap_hours=body.overlap_hours,
        days=body.days,
        witness=lambda record: services.audit.recorded(key_event("key.rotate", record, caller)),
    )
    return _shown(new, response)


@router.delete("/{key_id}", status_code=204)
def revoke(key_id: str, services: ServicesDep, caller: CallerDep) -> None:
    """Revoke a key: it opens nothing from now on. Its record stays in the list."""
    services.authenticator.keys.revoke(
        key_id,
        witness=lambda record: services.audit.recorded_if_possible(key_event("key.revoke", record, caller)),
    )


def _view(record: KeyRecord) -> KeyView:
    shown = record.model_dump(include=set(KeyView.model_fields))
    return KeyView(**shown, state=record.state(now()))


def _shown(new: NewKey, response: Response) -> ShownKey:
    response.headers["Cache-Control"] = "no-store"
    return ShownKey(**_view(new.record).model_dump(), key=new.key)
