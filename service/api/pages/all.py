"""All routes of the console, for the app."""

from __future__ import annotations

from service.api.pages import generate, home, jobs, signin, static

ROUTERS = tuple(noun.router for noun in (static, signin, home, generate, jobs))
