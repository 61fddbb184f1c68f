"""What the gateway puts down in the audit log: a request's caller, address and id, and what it is let do."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from starlette.requests import Request

from model.spec.privacy import PrivacyThresholds
from service.api.deps import Caller, Services
from service.api.middleware import is_head
from service.audit.entries import Action, Event
from service.contracts.keys import SYSTEM, KeyRecord
from service.contracts.settings import Settings


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


def system_event(action: Action, thing: str, **details: str | int) -> Event:
    """That the service does something by itself."""
    return Event(action=action, object=thing, caller=SYSTEM, details=details)


def start_event(settings: Settings, version: str, *, admin_key_id: str | None) -> Event:
    """That the gateway starts, and what its settings mean for the data: they may open what keys and gate close."""
    is_usual = settings.privacy_thresholds == PrivacyThresholds()
    details: dict[str, str | int] = {
        "version": version,
        "auth": "off" if settings.is_auth_off else "keys",
        "gate": "as delivered" if is_usual else "with other thresholds",
        "not_evaluated": settings.privacy_not_evaluated,
        "encrypted": "no" if settings.encryption_key_file is None else "yes",
        "admin_key": admin_key_id or "none",
        "oidc_roles": settings.oidc_roles or "none",
    }
    return Event(action="service.start", caller=SYSTEM, details=details)


def recorded_download(request: Request, handed_out: Event, services: Services) -> AbstractContextManager[None]:
    """Put down that something is handed out, before it is: AuditUnavailable, and it is not. Again, if that fails."""
    return nullcontext() if is_head(request.scope) else services.audit.recorded(handed_out)


def key_event(action: Action, record: KeyRecord, caller: Caller) -> Event:
    """That a caller makes or changes a key."""
    return event(action, f"key/{record.id}", caller=caller, name=record.name, scopes=" ".join(record.scopes))
