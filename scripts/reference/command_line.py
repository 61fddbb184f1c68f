"""The program `cdmt` as a page: every command with its arguments and options."""

from __future__ import annotations

import typer.main
from typer.cli import get_docs_for_click
from typer.models import Context

INTRODUCTION = "Written from the program itself; `cdmt COMMAND --help` says the same.\n"


def page(app: typer.Typer) -> str:
    """The commands of a Typer application, as Typer documents them."""
    command = typer.main.get_command(app)
    described = get_docs_for_click(
        obj=command, ctx=Context(command, info_name="cdmt"), name="cdmt", title="Command line"
    )
    title, _, rest = described.partition("\n")
    return f"{title}\n\n{INTRODUCTION}{rest}"
