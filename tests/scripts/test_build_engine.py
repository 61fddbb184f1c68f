"""The engines' build: what cannot be compiled now does not stay behind from an earlier build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("scripts/build_engine.sh", "model/inference/native/fused.cpp", "model/inference/native/amx.h")
OTHERS = ("model/diffusion/native/gates.cpp",)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What the script needs, in a folder with a space in its name, and a library of an earlier build."""
    tree = tmp_path / "a tree"
    for name in (*SOURCES, *OTHERS):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / "model/inference/native/generic.so").write_bytes(b"of other sources")
    return tree


def build(tree: Path, python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["scripts/build_engine.sh", python]
    return subprocess.run(
        command, cwd=tree, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def libraries(tree: Path) -> list[str]:
    return sorted(path.name for path in tree.glob("model/*/native/*.so*"))


def test_a_library_that_cannot_be_compiled_any_more_is_gone(tree: Path) -> None:
    found = build(tree, sys.executable, CXX="false")
    assert found.returncode == 0, found.stderr
    assert "fused.cpp could not be compiled for 'generic'" in found.stdout
    assert libraries(tree) == []


def test_without_a_compiler_python_is_asked_for_one_by_the_path_that_was_given(tree: Path) -> None:
    tools = tree / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "uname", "env"):
        (tools / name).symlink_to(shutil.which(name) or "")
    python = tree / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "asked: $*"\nexit 1\n')
    python.chmod(0o755)
    found = build(tree, "env/bin/python", PATH=str(tools), CXX="")
    assert found.returncode == 0, found.stderr
    assert "asked: -m pip install" in found.stdout
    assert libraries(tree) == []
