"""docs/access.md says of every operation which scope it needs."""

from __future__ import annotations

import re
from pathlib import Path

from service.api.access import PUBLIC, RULES
from service.contracts.keys import SCOPES

TEXT = (Path(__file__).parents[2] / "docs" / "access.md").read_text()
ROW = re.compile(r"^\| (`(?:GET|POST|DELETE) /.*?) \| (.*?) \|$", re.MULTILINE)


def test_the_table_of_scopes_is_that_of_the_code() -> None:
    told = {
        operation: tuple(scope for scope in re.findall(r"`(\w+)`", needs) if scope in SCOPES)
        for operations, needs in ROW.findall(TEXT)
        for operation in re.findall(r"`(.+?)`", operations)
    }
    assert told == {re.sub(r"{\w+}", "{id}", operation): scopes for operation, scopes in RULES.items()}


def test_what_is_public_is_named() -> None:
    sentence = TEXT[TEXT.index("Public are") : TEXT.index("Why so")]
    assert set(re.findall(r"`(/\S*)`", sentence)) == PUBLIC - {"/"}
