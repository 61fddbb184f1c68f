from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.contracts.errors import BadKeyFile
from service.contracts.redis_url import redis_url
from service.contracts.settings import Settings


@pytest.fixture
def password_file(settings: Settings, tmp_path: Path) -> Path:
    """`settings` empties the environment of ours."""
    path = tmp_path / "password"
    path.write_text("hun/ter:2@\n")
    return path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://gateway@redis:6379/0", "redis://gateway:hun%2Fter%3A2%40@redis:6379/0"),
        ("redis://redis", "redis://:hun%2Fter%3A2%40@redis"),
        ("unix://worker@/run/redis.sock?db=1", "unix://worker:hun%2Fter%3A2%40@/run/redis.sock?db=1"),
        ("unix:///run/redis.sock", "unix://:hun%2Fter%3A2%40@/run/redis.sock"),
    ],
)
def test_the_password_of_the_file_is_put_into_the_url(password_file: Path, url: str, expected: str) -> None:
    settings = Settings(redis_url=url, redis_password_file=password_file)
    assert redis_url(settings) == expected
    assert settings.redis_url == url


@pytest.mark.parametrize("url", [None, "redis://:inside@redis"])
def test_without_a_file_the_url_is_as_it_is(settings: Settings, url: str | None) -> None:
    assert redis_url(settings.model_copy(update={"redis_url": url})) == url


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\n", "empty"), (b"\xff", "no text")])
def test_a_file_without_a_password_is_named(password_file: Path, content: bytes, reason: str) -> None:
    password_file.write_bytes(content)
    with pytest.raises(BadKeyFile, match=f"CDMT_REDIS_PASSWORD_FILE, '{password_file}': .*{reason}"):
        redis_url(Settings(redis_url="redis://redis", redis_password_file=password_file))


def test_a_file_that_is_not_there_is_named(password_file: Path) -> None:
    with pytest.raises(BadKeyFile, match="No such file"):
        redis_url(Settings(redis_url="redis://redis", redis_password_file=password_file.with_name("no")))


@pytest.mark.parametrize("url", [None, "redis://:inside@redis"])
def test_a_file_needs_a_url_without_a_password(password_file: Path, url: str | None) -> None:
    with pytest.raises(ValidationError, match="CDMT_REDIS_PASSWORD_FILE") as caught:
        Settings(redis_url=url, redis_password_file=password_file)
    assert "inside" not in str(caught.value)
