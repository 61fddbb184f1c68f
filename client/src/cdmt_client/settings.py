"""Where the service is and who asks, from arguments and the environment."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cdmt_client.errors import Unreadable
from cdmt_client.retrying import Retries

SERVER = "http://127.0.0.1:8000"
__version__ = "0.1.0"


@dataclass(frozen=True)
class Settings:
    """A connection's settings. The key is shown by no `repr`."""

    server: str
    api_key: str | None = field(repr=False)
    verify: bool | ssl.SSLContext
    timeout: float
    retries: Retries

    def http(self) -> dict[str, Any]:
        """What an httpx client takes. It follows no redirect, which might carry the key elsewhere."""
        headers = {"User-Agent": f"cdmt-client/{__version__}", "Accept": "application/json"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {"base_url": self.server, "headers": headers, "verify": self.verify, "timeout": self.timeout}


def settings(
    server: str | None,
    *,
    api_key: str | None,
    api_key_file: str | os.PathLike[str] | None,
    verify: bool | str | os.PathLike[str] | ssl.SSLContext,
    timeout: float,
    retries: Retries,
) -> Settings:
    """What was given, else what CDMT_SERVER, CDMT_API_KEY, CDMT_API_KEY_FILE and CDMT_CA_FILE say."""
    found = _address(server or os.environ.get("CDMT_SERVER") or SERVER)
    return Settings(found, _key(api_key, api_key_file), _verify(verify), timeout, retries)


def _address(given: str) -> str:
    if not given.startswith(("http://", "https://")):
        raise Unreadable(f"the server's address must begin with http:// or https://, and '{given}' does not")
    try:
        return str(httpx.URL(given)).rstrip("/")
    except httpx.InvalidURL as error:
        raise Unreadable(f"'{given}' is no address: {error}") from None


def _key(given: str | None, file: str | os.PathLike[str] | None) -> str | None:
    if given is None and file is None:
        given, file = os.environ.get("CDMT_API_KEY"), os.environ.get("CDMT_API_KEY_FILE")
    if not given and file:
        given = _content(Path(file))
    return _checked(given.strip()) if given else None


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(
            f"the key cannot be read from {path}: {getattr(error, 'strerror', None) or 'no text'}"
        ) from None


def _checked(key: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Unreadable("the API key is empty or holds characters that no key has")
    return key


def _verify(given: bool | str | os.PathLike[str] | ssl.SSLContext) -> bool | ssl.SSLContext:
    if given is True and os.environ.get("CDMT_CA_FILE"):
        given = os.environ["CDMT_CA_FILE"]
    if isinstance(given, bool | ssl.SSLContext):
        return given
    try:
        return ssl.create_default_context(cafile=os.fspath(given))
    except (OSError, ssl.SSLError) as error:
        raise Unreadable(f"no certificates can be read from {os.fspath(given)}: {error}") from None
