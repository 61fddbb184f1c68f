"""The console's static files. Their address holds a digest of them all, so that a browser may keep them for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

STATIC = Path(__file__).parent / "static"
PREFIX = "/console/static/"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A static file: its bytes and what they are."""

    content: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """Every static file by its path below `static/`; read once, and nothing else is ever handed out."""
    files = sorted(path for path in STATIC.rglob("*") if path.suffix in MEDIA_TYPES)
    return {path.relative_to(STATIC).as_posix(): Asset(path.read_bytes(), MEDIA_TYPES[path.suffix]) for path in files}


@cache
def version() -> str:
    """A digest of all static files: modules import each other by relative paths, so they change address together."""
    digest = hashlib.sha256()
    for name, asset in assets().items():
        digest.update(b"%s\0%d\0" % (name.encode(), len(asset.content)))
        digest.update(asset.content)
    return digest.hexdigest()[:16]


def address(name: str) -> str:
    """Where the static file of this name is now; KeyError if there is none."""
    assets()[name]
    return f"{PREFIX}{version()}/{name}"
