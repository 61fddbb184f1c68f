from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cdmt_client import AsyncCohortClient, CohortClient, errors
from cdmt_client.retrying import DEFAULT
from cdmt_client.settings import Settings, settings

NAMES = ("CDMT_SERVER", "CDMT_API_KEY", "CDMT_API_KEY_FILE", "CDMT_CA_FILE")


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def made(server: str | None = None, *, key: str | None = None, file: Path | None = None) -> Settings:
    return settings(server, api_key=key, api_key_file=file, verify=True, timeout=1, retries=DEFAULT)


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (made().server, made().api_key) == ("http://127.0.0.1:8000", None)
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("CDMT_API_KEY_FILE", str(tmp_path / "key"))
    assert made().api_key == "from-a-file"
    monkeypatch.setenv("CDMT_API_KEY", "from-the-environment")
    monkeypatch.setenv("CDMT_SERVER", "https://cohorts.example/")
    assert (made().server, made().api_key) == ("https://cohorts.example", "from-the-environment")
    assert made(key="given").api_key == "given"
    assert made(file=tmp_path / "key").api_key == "from-a-file"


def test_the_key_is_sent_and_never_shown() -> None:
    found = made(key="very-secret")
    assert found.http()["headers"]["Authorization"] == "Bearer very-secret"
    with CohortClient(api_key="very-secret") as client:
        assert "secret" not in repr(found) + repr(client) + repr(AsyncCohortClient(api_key="very-secret"))


@pytest.mark.parametrize(
    ("server", "key", "complaint"),
    [
        ("localhost:8000", None, "must begin with http"),
        ("http://host:port", None, "Invalid port"),
        (None, "two words", "no key has"),
        (None, "\n", "no key has"),
    ],
)
def test_nonsense_is_refused(server: str | None, key: str | None, complaint: str) -> None:
    with pytest.raises(errors.Unreadable, match=complaint):
        made(server, key=key)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.Unreadable, match="absent: No such file"):
        made(file=tmp_path / "absent")
    with pytest.raises(errors.Unreadable, match="no certificates can be read from"):
        CohortClient(verify=tmp_path / "absent")


def test_authorities_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context()
    found = settings(None, api_key=None, api_key_file=None, verify=context, timeout=1, retries=DEFAULT)
    assert found.verify is context
    monkeypatch.setenv("CDMT_CA_FILE", "/absent")
    with pytest.raises(errors.Unreadable):
        made()
