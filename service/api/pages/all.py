"""All routes of the console, for the app."""

from __future__ import annotations

from service.api.pages import home, signin, static

ROUTERS = tuple(noun.router for noun in (static, signin, home))
