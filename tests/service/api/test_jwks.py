from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from service.api import jwks as module
from service.api.jwks import FRESH_SECONDS, KEPT_SECONDS, RETRY_SECONDS, KeySet, parse_jwks, reader_of
from service.contracts.errors import ProviderUnavailable, WrongCredential
from tests.service.api.test_attempts import Clock
from tests.service.api.test_oidc import EC, ED, JWKS, OTHER_RSA, RSA, public


class Provider:
    """Publishes keys, counts how often it is asked, and may be away."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = list(entries)
        self.asked = 0
        self.is_away = False

    def __call__(self) -> bytes:
        self.asked += 1
        if self.is_away:
            raise OSError("no route to host")
        return json.dumps({"keys": self.entries}).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_keys_are_read_once_and_again_when_they_are_old(clock: Clock) -> None:
    provider = Provider(public("rsa", RSA))
    keys = KeySet(provider, clock=clock)
    for _ in range(3):
        assert keys.find("rsa").algorithms == ("RS256", "PS256")
    assert provider.asked == 1
    provider.entries = [public("rsa-2", OTHER_RSA)]
    clock.now += FRESH_SECONDS
    with pytest.raises(WrongCredential):  # the provider has withdrawn it
        keys.find("rsa")
    assert provider.asked == 2


def test_an_unknown_key_is_looked_for_and_not_too_often(clock: Clock) -> None:
    provider = Provider(public("rsa", RSA))
    keys = KeySet(provider, clock=clock)
    keys.find("rsa")
    clock.now += RETRY_SECONDS
    provider.entries.append(public("ec", EC))  # just made
    assert keys.find("ec").algorithms == ("ES256",)
    for n in range(100):
        with pytest.raises(WrongCredential):
            keys.find(f"made-up-{n}")
    assert provider.asked == 2


def test_while_the_provider_is_away_the_last_keys_are_good_for_a_day(clock: Clock) -> None:
    provider = Provider(public("rsa", RSA))
    keys = KeySet(provider, clock=clock)
    keys.find("rsa")
    provider.is_away = True
    clock.now += FRESH_SECONDS
    assert keys.find("rsa").kid == "rsa"
    clock.now += KEPT_SECONDS
    with pytest.raises(ProviderUnavailable):
        keys.find("rsa")
    provider.is_away = False
    clock.now += RETRY_SECONDS
    assert keys.find("rsa").kid == "rsa"


def test_a_token_that_names_no_key_means_the_only_one(clock: Clock) -> None:
    assert KeySet(Provider(public("rsa", RSA)), clock=clock).find(None).kid == "rsa"
    with pytest.raises(WrongCredential):
        KeySet(Provider(public("rsa", RSA), public("ec", EC)), clock=clock).find(None)
    with pytest.raises(WrongCredential):  # whose of the two?
        KeySet(Provider(public("rsa", RSA), public("rsa", OTHER_RSA)), clock=clock).find("rsa")


def test_while_one_reads_nobody_waits(clock: Clock) -> None:
    provider, begun, let_go = Provider(public("rsa", RSA)), threading.Event(), threading.Event()

    def read() -> bytes:
        if provider.asked:
            begun.set()
            assert let_go.wait(10)
        return provider()

    keys = KeySet(read, clock=clock)
    keys.find("rsa")
    clock.now += FRESH_SECONDS
    provider.entries.append(public("ec", EC))
    reader = threading.Thread(target=keys.find, args=("ec",))
    reader.start()
    assert begun.wait(10)
    try:
        assert keys.find("rsa").kid == "rsa"
        with pytest.raises(ProviderUnavailable):  # it may be among those that are being read
            keys.find("ec")
        clock.now += KEPT_SECONDS
        with pytest.raises(ProviderUnavailable):
            keys.find("rsa")
    finally:
        let_go.set()
        reader.join()


SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P384 = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"},
        public("rsa", RSA, alg="HS256"),
        public("rsa", RSA, alg="RS512"),
        public("rsa", RSA, use="enc"),
        public("rsa", SHORT),
        public("ec", P384),
        public("rsa", RSA, d="AQAB"),
        public("rsa", RSA) | {"kid": 7},
        public("rsa", RSA) | {"n": 7},
        public("rsa", RSA) | {"n": "!"},
        public("ec", EC) | {"x": ""},
        {"kty": "RSA", "kid": "a"},
        {},
    ],
)
def test_what_signs_nothing_here(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key"):
        parse_jwks(json.dumps({"keys": [entry]}).encode())
    found = parse_jwks(json.dumps({"keys": [entry, public("ed", ED)]}).encode())
    assert [key.kid for key in found] == ["ed"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b"\xff", "decode"),
        (b"[]", "not a JWK Set"),
        (b"{}", "not a JWK Set"),
        (b'{"keys": {}}', "not a JWK Set"),
        (b'{"keys": [7]}', "no key"),
    ],
)
def test_what_is_no_set_of_keys(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_jwks(text)


def test_an_algorithm_that_a_key_is_for_is_its_only_one() -> None:
    (key,) = parse_jwks(json.dumps({"keys": [public("rsa", RSA, alg="PS256")]}).encode())
    assert key.algorithms == ("PS256",)


class Answers(BaseHTTPRequestHandler):
    """/jwks has the keys, /moved leads to them, /long never ends, and /slow hardly begins."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.trickle()
            return
        self.send_response({"/moved": 302, "/jwks": 200, "/long": 200}.get(self.path, 404))
        if self.path == "/moved":
            self.send_header("Location", "/jwks")
        self.end_headers()
        self.wfile.write(json.dumps(JWKS).encode() if self.path != "/long" else b" " * (module.MAX_BYTES + 1))

    def trickle(self) -> None:
        """A header, byte by byte, for 5 seconds or until nobody listens."""
        with suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 80:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_they_are_read_over_http_and_from_a_file(url: str, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))
    for source in (f"{url}/jwks", str(tmp_path / "jwks.json")):
        assert KeySet(reader_of(source), clock=clock).find("ed").algorithms == ("EdDSA",)


@pytest.mark.parametrize("path", ["/moved", "/long", "/absent"])
def test_what_is_not_the_answer_that_was_asked_for(url: str, path: str, clock: Clock) -> None:
    with pytest.raises(ProviderUnavailable):
        KeySet(reader_of(url + path), clock=clock).find("rsa")


def test_a_provider_that_trickles_has_so_much_time_in_all(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        KeySet(reader_of(f"{url}/slow"), clock=clock).find("rsa")
    assert time.monotonic() - start < 3
