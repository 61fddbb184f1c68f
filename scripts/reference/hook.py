"""What MkDocs calls when it builds the documentation: adds the pages that are written from the code."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from model.spec.schema import Schema
from scripts.reference import api, command_line, schema, settings
from service.api.app import create_app
from service.cli.app import app as program
from service.contracts.settings import Settings

ROOT = Path(__file__).parents[2]
HERE = {"client/README.md": "reference/python-client.md", "CHANGELOG.md": "changelog.md"}
"""Files beside `docs/`, and the pages that they are."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those that lie in `docs/`."""
    pages = {
        "reference/api.md": api.page(_openapi()),
        "reference/command-line.md": command_line.page(program),
        "reference/schema.md": schema.page(Schema),
        "reference/settings.md": settings.page(Settings),
        "reference/python-client.md": (ROOT / "client" / "README.md").read_text(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "]("),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_page: object) -> str:
    """Let links to files beside `docs/` lead to the pages that they are."""
    for file, page in HERE.items():
        markdown = markdown.replace(f"](../{file})", f"]({page})").replace(f"]({file})", f"]({page})")
    return markdown


def _openapi() -> dict[str, Any]:
    """The document of a gateway that is never started: it needs a folder for its data, and no Redis."""
    with tempfile.TemporaryDirectory() as folder:
        return create_app(Settings(data_dir=Path(folder)), redis_url="redis://127.0.0.1:1").openapi()
