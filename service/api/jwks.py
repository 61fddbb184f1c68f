"""The public keys of an identity provider (RFC 7517), from a file or over HTTP; read anew now and then, never often."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from service.contracts.errors import ProviderUnavailable, WrongCredential

# What a key of each kind may sign with. Nothing symmetric: whoever could check such a signature could also make it.
ALGORITHMS: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
MIN_RSA_BITS = 2048
MAX_BYTES = 1 << 18
TIMEOUT_SECONDS = 5  # of the whole download
FRESH_SECONDS = 600.0  # after which the keys are read again, lest one be trusted that the provider has withdrawn
RETRY_SECONDS = 30.0  # between two readings, however many tokens name keys that nobody knows
KEPT_SECONDS = 24 * 3600.0  # for how long the last keys are good while the provider does not answer

log = structlog.get_logger(__name__)


class ProviderKey(NamedTuple):
    """A public key and the algorithms that a signature by it may be of."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: Any  # one of cryptography's


class KeySet:
    """The keys as they were when last read; may be used from several threads.

    One of them reads; the others wait for nothing and go on with the keys that there are.
    """

    def __init__(self, read: Callable[[], bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._reading = threading.Lock()
        self._keys: list[ProviderKey] = []
        self._read_at = self._tried_at = -float("inf")

    def find(self, kid: str | None) -> ProviderKey:
        """The key of this id, or the only one where a token names none. WrongCredential, ProviderUnavailable."""
        self._refresh(older_than=FRESH_SECONDS)
        found = self._match(kid)
        if found is None:
            self._refresh(older_than=0)
            found = self._match(kid)
        if not self._known() or (found is None and self._reading.locked()):
            raise ProviderUnavailable("the keys of the identity provider cannot be read now; try again later")
        if found is None:
            raise WrongCredential("this token is signed with a key that the identity provider does not publish")
        return found

    def _match(self, kid: str | None) -> ProviderKey | None:
        keys = self._known()
        found = [key for key in keys if key.kid == kid] if kid is not None else keys
        return found[0] if len(found) == 1 else None

    def _known(self) -> list[ProviderKey]:
        return self._keys if self._clock() - self._read_at <= KEPT_SECONDS else []

    def _refresh(self, *, older_than: float) -> None:
        """Read the keys if they are that old, and not much more often than somebody may ask for."""
        if not self._is_due(older_than) or not self._reading.acquire(blocking=False):
            return
        try:
            if self._is_due(older_than):  # still, and not read by another thread a moment ago
                self._read_now()
        finally:
            self._reading.release()

    def _is_due(self, older_than: float) -> bool:
        now = self._clock()
        return now - self._read_at >= older_than and now - self._tried_at >= RETRY_SECONDS

    def _read_now(self) -> None:
        self._tried_at = now = self._clock()
        try:
            self._keys, self._read_at = parse_jwks(self._read()), now
        except (OSError, ValueError, RecursionError, httpx.HTTPError, httpx.InvalidURL) as error:
            log.error("the keys of the identity provider cannot be read", why=type(error).__name__)


def reader_of(source: str) -> Callable[[], bytes]:
    """What reads the keys: over HTTP where the source is a URL, else from that file."""
    if source.startswith(("https://", "http://")):
        return lambda: asyncio.run(_download(source))
    return lambda: Path(source).read_bytes()


def parse_jwks(text: bytes) -> list[ProviderKey]:
    """The keys that may be used to check signatures. ValueError where there is none."""
    document = json.loads(text)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JWK Set")
    found = [key for entry in entries if isinstance(entry, dict) and (key := _key_of(entry)) is not None]
    if not found:
        raise ValueError("no key in the JWK Set can be used")
    return found


def _key_of(entry: dict[str, Any]) -> ProviderKey | None:
    """None for a key that is for something else, of another kind, too short, or no public one."""
    kind = (str(entry.get("kty")), None if entry.get("kty") == "RSA" else str(entry.get("crv")))
    algorithms = ALGORITHMS.get(kind, ())
    if "alg" in entry:
        algorithms = tuple(name for name in algorithms if name == entry["alg"])
    kid = entry.get("kid")
    if not algorithms or entry.get("use", "sig") != "sig" or "d" in entry or not isinstance(kid, str | None):
        return None
    try:
        key = jwt.PyJWK(entry, algorithm=algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return None
    return ProviderKey(kid, algorithms, key)


async def _download(url: str) -> bytes:
    """Asynchronous for its deadline: httpx's timeouts begin anew with every byte of a provider that trickles."""
    content = b""
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > MAX_BYTES:
                raise ValueError("the JWK Set is too long")
    return content
