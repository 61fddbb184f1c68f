"""What all pages of the console have in common: who looks at them, and where one can go."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request
from starlette.responses import HTMLResponse

from service.api.deps import Caller, Services
from service.api.sessions import Session
from service.console.rendering import render
from service.contracts.keys import SCOPES, Scope


class Place(NamedTuple):
    """An entry of the navigation."""

    name: str
    path: str
    scope: Scope


PLACES = (
    Place("Generate", "/console/generate", "read"),
    Place("Jobs", "/console/jobs", "read"),
    Place("Datasets", "/console/datasets", "read"),
    Place("Models", "/console/models", "read"),
    Place("Train", "/console/train", "train"),
    Place("Admin", "/console/admin", "admin"),
)


class Shell(NamedTuple):
    """What the layout says of whoever looks at the page. `csrf_token` is None where there is no session."""

    places: tuple[Place, ...]
    name: str | None
    scopes: tuple[Scope, ...]
    is_auth_off: bool
    csrf_token: str | None


def page(request: Request, template: str, *, services: Services, caller: Caller, **context: object) -> HTMLResponse:
    """A page of the console for whoever asks for it."""
    session: Session | None = getattr(request.state, "session", None)
    shell = Shell(
        places=tuple(place for place in PLACES if caller.may(place.scope)),
        name=caller.name,
        scopes=tuple(scope for scope in SCOPES if caller.may(scope)),
        is_auth_off=services.settings.is_auth_off,
        csrf_token=session.csrf_token if session else None,
    )
    return HTMLResponse(render(template, shell=shell, here=request.scope["path"], **context))
