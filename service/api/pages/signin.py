"""Signing in: the key is pasted once, and a session stands for it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from service.api.deps import ServicesDep
from service.console.places import safe_next
from service.console.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/signin")
def sign_in(services: ServicesDep, next: str | None = None) -> HTMLResponse:  # noqa: A002  the word of the address
    """The form for the key; from there on to where one wanted to go, if that is in the console."""
    context = {"next": safe_next(next), "is_auth_off": services.settings.is_auth_off}
    return HTMLResponse(render("signin.html.j2", **context))
