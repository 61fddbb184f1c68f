from __future__ import annotations

from pathlib import Path

import pytest

from service.cli.online import _announce
from service.cli.stack import Stack
from service.contracts.keys import ApiKeys
from service.contracts.settings import Settings


def announced(chosen: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    _announce(chosen, Stack("http://127.0.0.1:8000", (), print))
    return capsys.readouterr().err


def test_who_needs_a_first_key_is_told_how_to_make_one(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = Settings(data_dir=settings.data_dir, auth="keys")
    assert "cdmt keys create" in announced(asking, capsys)
    assert "cdmt keys create" not in announced(settings, capsys)  # nobody is asked
    ApiKeys(settings.data_dir).create("ann", scopes=("admin",))
    assert "cdmt keys create" not in announced(asking, capsys)
