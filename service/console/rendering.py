"""A page of the console, from its template and what it is about. Everything that is filled in is escaped."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.console import words
from service.console.assets import address

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **context: object) -> str:
    """The page."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "percent", "duration", "size", "when", "paragraphs", "main_figures"):
        environment.filters[name] = getattr(words, name)
    environment.filters["json"] = json.dumps  # for data- attributes: escaped like any other text
    environment.filters["urlquery"] = urlencode
    environment.globals |= {
        "asset": address,
        "state_words": words.STATES,
        "kind_words": words.KINDS,
        "privacy_words": words.PRIVACY,
        "step_words": words.STEPS,
        "next_steps": words.NEXT_STEPS,
        "downloads": words.DOWNLOADS,
        "n_main_downloads": words.N_MAIN_DOWNLOADS,
        "scope_words": words.SCOPES,
    }
    return environment
