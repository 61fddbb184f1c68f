from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app as cli

COMMANDS = ["serve", "gateway", "worker", "demo", "keys", "import", "train", "generate", "evaluate"]


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `cdmt` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["cdmt", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(cli.app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: cdmt {command}" in shown.output


def test_the_overview_names_every_command() -> None:
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert all(command in shown.output for command in COMMANDS)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("CDMT_PORT", "abc", "port: Input should be a valid integer"),
        ("CDMT_AUTH", "nobody", "auth: Input should be 'keys' or 'off'"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(
    variable: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert run(["serve"], monkeypatch) == 2
    errors = capsys.readouterr().err
    assert complaint in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [["gateway"], ["worker", "--queue", "train"]])
def test_gateway_and_worker_need_a_redis(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert run(command, monkeypatch) == 1
    assert "set REDIS_URL" in capsys.readouterr().err


def test_an_unknown_queue_is_asked_for_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["worker", "--queue", "lunch"], monkeypatch) == 2


def test_without_the_worker_s_packages_work_on_files_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run(["generate", "bundled", "-n", "1"], monkeypatch) == 1
    assert "pip install 'cdmt-ehr[worker]'" in capsys.readouterr().err


def test_a_part_of_a_privacy_budget_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "stays.parquet"
    table.touch()
    assert run(["train", str(table), "--out", str(tmp_path / "model"), "--delta", "1e-5"], monkeypatch) == 1
    assert "give --epsilon too" in capsys.readouterr().err
