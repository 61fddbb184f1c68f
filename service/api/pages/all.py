"""All routes of the console, for the app."""

from __future__ import annotations

from service.api.pages import admin, datasets, generate, home, jobs, models, signin, static, train

ROUTERS = tuple(noun.router for noun in (static, signin, home, generate, jobs, datasets, models, train, admin))
