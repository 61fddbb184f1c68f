"""A shell and a Python interpreter that keep their state from block to block, as a reader's do."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

END = "@@ end of block @@"
INTERPRETER = f"""
import json, sys
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    exec(compile(json.loads(line), "<block>", "exec"), names)
    print("\\n{END}", flush=True)
"""


class Session:
    """A process that is given one block after the other and tells what each printed, its errors and progress apart."""

    def __init__(self, command: list[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, start_new_session=True,
        )  # fmt: skip

    def run(self, text: str) -> str:
        """What the process prints; AssertionError if it ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.rstrip("\n") == END:
                return "".join(printed).rstrip("\n") + "\n"
            printed.append(line)
        status = self._process.wait()
        self._errors.seek(0)
        raise AssertionError(f"ended with status {status}:\n{''.join(printed)}\n{self._errors.read()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with self._process, self._errors:
            pass


class Shell(Session):
    """bash, which ends at the first command that fails."""

    def __init__(self, *, cwd: Path, env: Mapping[str, str]) -> None:
        super().__init__(["bash", "-euo", "pipefail"], cwd=cwd, env=env)

    def run(self, text: str) -> str:
        """Run commands."""
        return super().run(f"{text}\nprintf '\\n%s\\n' '{END}'\n")


class Interpreter(Session):
    """Python, without a prompt."""

    def __init__(self, *, cwd: Path, env: Mapping[str, str]) -> None:
        super().__init__([sys.executable, "-u", "-c", INTERPRETER], cwd=cwd, env=env)

    def run(self, text: str) -> str:
        """Run statements; what an expression is worth is not printed."""
        return super().run(json.dumps(text) + "\n")
