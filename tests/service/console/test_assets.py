"""Static files: what is handed out is what lies in the folder, under an address that follows from the content."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.console import assets as module
from service.console.assets import STATIC, address, assets, version

SCRIPTS = sorted(name for name in assets() if name.endswith(".js"))


def test_a_file_that_is_not_there_has_no_address() -> None:
    assert address("style.css") == f"/console/static/{version()}/style.css"
    with pytest.raises(KeyError):
        address("../assets.py")


def test_another_content_has_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STATIC", tmp_path)
    seen = set()
    for content in ("a", "b"):
        (tmp_path / "style.css").write_text(content)
        for cached in (assets, version):
            cached.cache_clear()
        seen.add(version())
    for cached in (assets, version):
        cached.cache_clear()
    assert len(seen) == 2


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_only_scripts_that_are_here(name: str) -> None:
    imported = re.findall(r'^import .*? from "(.+?)";', (STATIC / name).read_text(), re.MULTILINE)
    for path in imported:
        assert (STATIC / name).parent.joinpath(path).resolve().is_file(), path


@pytest.mark.parametrize("name", sorted(assets()))
def test_nothing_comes_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text()
    hosts = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert hosts == set()
    assert "innerHTML" not in text
