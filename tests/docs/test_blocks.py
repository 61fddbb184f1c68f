"""Every code block of README and docs is run or parsed, or names the test that does it.

The `sh` and `python` blocks of a page are run one after the other, in a folder of its own that looks like a checkout,
against a running service. A `text` block is what the block before it prints; `...` stands for anything. Before a `json`
block, `<!-- is: Schema -->` says what it must be, before any block `<!-- tested: path -->` which test runs it.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from model.spec.schema import Schema
from service.contracts.requests import EvaluateRequest, GenerateRequest, TrainRequest
from service.contracts.settings import Settings
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of, indented_blocks
from tests.docs.sessions import Interpreter, Shell

MODELS = {model.__name__: TypeAdapter(model) for model in (EvaluateRequest, GenerateRequest, Schema, TrainRequest)}
LOCAL = "http://127.0.0.1:8000"
MINUTES = re.compile(r'(max_minutes"?(?:=|: )|--minutes )\d+\b')
"""Trainings are made as long as it takes to see that they run."""
THOUSANDS = re.compile(r'(n_stays"?(?:=|: )|-n )(\d)000\b')
"""Cohorts of thousands, of which no page tells what came out, are made of hundreds."""
LANGUAGES = {"ini", "json", "nginx", "python", "sh", "sql", "text", "yaml"}
BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def is_run(block: Block) -> bool:
    return block.language in {"sh", "python"} and block.note != "tested"


RUN = [page for page in PAGES if any(map(is_run, blocks_of(page)))]


def test_blocks_say_what_they_are() -> None:
    unnamed = [str(block) for block in BLOCKS if block.language not in LANGUAGES]
    indented = [f"{page.relative_to(ROOT)}:{line}" for page in PAGES for line in indented_blocks(page)]
    assert unnamed + indented == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.note == "tested"], ids=str)
def test_the_test_that_a_block_names_is_there(block: Block) -> None:
    path, _, name = block.named.partition("::")
    assert (ROOT / path).is_file()
    assert name in (ROOT / path).read_text()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_json_is_what_it_is_said_to_be(block: Block) -> None:
    if block.note == "is":
        MODELS[block.named].validate_json(block.text)
    else:
        json.loads(block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in {"ini", "yaml"}], ids=str)
def test_configuration_can_be_read(block: Block) -> None:
    if block.language == "yaml":
        assert yaml.safe_load(block.text)
    else:
        parser = configparser.ConfigParser()
        parser.read_string(block.text)
        assert parser.sections()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_note_stands_before_a_block(page: Path) -> None:
    assert len(re.findall("^<!-- ", page.read_text(), re.MULTILINE)) == sum(
        block.note is not None for block in blocks_of(page)
    )


def test_a_proxy_takes_uploads_as_large_as_the_service_does() -> None:
    (block,) = [block for block in BLOCKS if block.language == "nginx"]
    assert block.text.count("{") == block.text.count("}")
    assert f"client_max_body_size {Settings().max_upload_bytes >> 30}g;" in block.text


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_followed(page: Path, checkout: Path, url: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("CDMT_")}
    env |= {"CDMT_SERVER": url, "CDMT_DATA_DIR": str(checkout / "var"), "OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    with ExitStack() as stack:
        sessions = {
            "sh": stack.enter_context(Shell(cwd=checkout, env=env)),
            "python": stack.enter_context(Interpreter(cwd=checkout, env=env)),
        }
        printed: str | None = None
        for block in blocks_of(page):
            if block.language == "text" and block.note is None and printed is not None:
                assert_looks_like(printed, block)
            printed = sessions[block.language].run(_in_small(block.text, url)) if is_run(block) else None


def _in_small(text: str, url: str) -> str:
    """The text of a block as it is run here."""
    return THOUSANDS.sub(r"\g<1>\g<2>00", MINUTES.sub(r"\g<1>0.1", text)).replace(LOCAL, url)


def assert_looks_like(printed: str, block: Block) -> None:
    pattern = ".*".join(map(re.escape, block.text.strip().split("...")))
    assert re.fullmatch(pattern, printed.strip(), re.DOTALL), (
        f"{block} is told to print\n{block.text}\nand prints\n{printed}"
    )
