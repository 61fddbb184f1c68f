"""The console's static files, at addresses that change with their content."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.console.assets import PREFIX, assets, version

FOR_EVER = "public, max-age=31536000, immutable"

router = APIRouter(prefix=PREFIX.rstrip("/"), include_in_schema=False)


@router.get("/{of_version}/{name:path}")
def static(of_version: str, name: str) -> Response:
    """A static file. Under the address of another version, of which a page may still be open, the present file."""
    asset = assets().get(name)
    if asset is None:
        raise HTTPException(404, "no such file")
    lasting = FOR_EVER if of_version == version() else "no-store"
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": lasting})
