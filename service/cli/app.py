"""The program `cdmt`: its commands, and how an error is told."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from model.spec.errors import CDMTError
from service.cli import (
    audit,
    backup,
    benchmark,
    encryption,
    export,
    keys,
    offline,
    online,
    remote,
    reproduction,
    sources,
)
from service.cli.show import err
from service.cli.stack import interruptible

EPILOGUE = "Settings are environment variables named CDMT_...; see the README. Every command answers to --help."

app = typer.Typer(
    name="cdmt",
    help="Learn from a table of ICU stays and generate synthetic cohorts with the label ratios you ask for: "
    "as a REST service, or directly on files.",
    epilog=EPILOGUE,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel="The service")(online.serve)
app.command(rich_help_panel="The service")(online.gateway)
app.command(rich_help_panel="The service")(online.worker)
app.command(rich_help_panel="The service")(online.demo)
app.command(rich_help_panel="The service")(encryption.encrypt)
app.command(rich_help_panel="The service")(backup.backup)
app.command(rich_help_panel="The service")(backup.restore)
app.add_typer(keys.app, name="keys", rich_help_panel="The service")
app.add_typer(audit.app, name="audit", rich_help_panel="The service")
app.add_typer(remote.app, name="remote", rich_help_panel="The service")
app.add_typer(sources.app, name="import", rich_help_panel="On files, without a server")
app.command(rich_help_panel="On files, without a server")(offline.train)
app.command(rich_help_panel="On files, without a server")(offline.generate)
app.command(rich_help_panel="On files, without a server")(offline.evaluate)
app.command(rich_help_panel="On files, without a server")(export.export)
app.command(rich_help_panel="On files, without a server")(reproduction.reproduce)
app.command(rich_help_panel="On files, without a server")(benchmark.bench)


def main() -> None:
    """Run the command line. Status 0: done, 1: it went wrong, 2: asked for wrongly, 130: interrupted."""
    try:
        with interruptible():
            app(prog_name="cdmt")
    except ValidationError as error:
        for line in describe(error):
            _complain(line)
        sys.exit(2)
    except CDMTError as error:
        _complain(str(error))
        sys.exit(1)
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)


def describe(error: ValidationError) -> list[str]:
    """One line per thing that is wrong, by the name under which it was given."""
    return [
        f"{'.'.join(map(str, item['loc'])) or error.title}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors()
    ]


def _complain(text: str) -> None:
    err.print(f"error: {text}", style="bold red", markup=False)
