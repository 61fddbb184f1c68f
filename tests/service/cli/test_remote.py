"""`cdmt remote` without a service: what it says, and how it ends. Against one: tests/e2e/test_python_client.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app as cli

COMMANDS = (
    "upload", "datasets", "train", "models", "generate", "evaluate", "jobs", "wait", "cancel", "download", "report",
)  # fmt: skip


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `cdmt remote` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["cdmt", "remote", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_every_command_explains_itself_and_takes_no_key() -> None:
    runner = CliRunner()
    overview = runner.invoke(cli.app, ["remote", "--help"]).output
    for command in COMMANDS:
        assert command in overview
        shown = runner.invoke(cli.app, ["remote", command, "--help"])
        assert (shown.exit_code, "--key " in shown.output) == (0, False)


def test_without_the_client_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cdmt_client", None)
    assert run(["models"], monkeypatch) == 1
    assert "pip install ./client" in capsys.readouterr().err


def test_an_address_that_is_none_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--server", "127.0.0.1:1", "models"], monkeypatch) == 1
    assert capsys.readouterr().err.count("error: the server's address must begin with http") == 1


def test_what_cannot_be_read_is_asked_for_wrongly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(["--key-file", str(tmp_path / "absent"), "models"], monkeypatch) == 2
    assert run(["upload", str(tmp_path / "absent")], monkeypatch) == 2
    assert run(["generate", "-n", "5", "--ratio", "nonsense"], monkeypatch) == 1
