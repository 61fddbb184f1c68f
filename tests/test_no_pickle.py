"""No module of ours reads what could run code when it is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("model", "service", "worker", "scripts") for path in (ROOT / folder).rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "torch.load", "torch.jit.load", "pd.read_pickle", "pandas.read_pickle", "yaml.load"}
UNSAFE = {("allow_pickle", True), ("weights_only", False)}


def dangers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield module
            case ast.Call(func=func) if ast.unparse(func) in CALLS:
                yield ast.unparse(func)
            case ast.keyword(arg=str(name), value=ast.Constant(value=bool(value))) if (name, value) in UNSAFE:
                yield f"{name}={value}"


def test_nothing_is_unpickled() -> None:
    found = {str(path): list(dangers(ast.parse(path.read_text()))) for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}
    assert len(found) > 100


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from dill import loads", "import joblib.numpy_pickle", "eval('1')"),
        *("torch.load(path)", "np.load(path, allow_pickle=True)", "f(weights_only=False)"),
    ],
)
def test_what_would_be_found(code: str) -> None:
    assert len(list(dangers(ast.parse(code)))) == 1
