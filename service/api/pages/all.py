"""All routes of the console, for the app."""

from __future__ import annotations

from service.api.pages import admin, datasets, home, models, signin, static, train

ROUTERS = tuple(noun.router for noun in (static, signin, home, datasets, models, train, admin))
