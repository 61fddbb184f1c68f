"""What the gateway puts down in the audit log: a request's caller, address and id, and what it is let do."""

from __future__ import annotations

from starlette.requests import Request

from service.api.deps import Caller, Services
from service.api.middleware import is_head
from service.audit.entries import Action, Event
from service.contracts.keys import KeyRecord

SYSTEM = "system"
"""The caller of what nobody asked for, such as the removal of an expired job."""


def event(action: Action, thing: str | None, *, caller: Caller, **details: str | int) -> Event:
    """That a caller does something with a thing, such as `job/0198...`."""
    return Event(
        action=action,
        object=thing,
        caller=caller.name,
        key_id=caller.key_id,
        address=caller.address,
        request_id=caller.request_id,
        details=details,
    )


def system_event(action: Action, thing: str) -> Event:
    """That the service does something by itself."""
    return Event(action=action, object=thing, caller=SYSTEM)


def record_download(request: Request, handed_out: Event, services: Services) -> None:
    """Put down that something is handed out, before it is. AuditUnavailable: then it must not be."""
    if not is_head(request.scope):
        services.audit.append(handed_out)


def key_event(action: Action, record: KeyRecord, caller: Caller) -> Event:
    """That a caller makes or changes a key."""
    return event(action, f"key/{record.id}", caller=caller, name=record.name, scopes=" ".join(record.scopes))
