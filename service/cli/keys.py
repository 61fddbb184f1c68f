"""`cdmt keys`: who may use the service. Works on the data folder itself, so that it needs no service and no key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.table import Table

from service.audit.entries import Action, Event
from service.audit.log import AuditLog
from service.audit.opening import local_caller, open_audit
from service.cli.online import DataDir, settings
from service.cli.show import notice, out
from service.contracts.jobs import now
from service.contracts.keys import DEFAULT_DAYS, MAX_DAYS, MAX_OVERLAP_HOURS, SCOPES, ApiKeys, NewKey, Witness

KeyId = Annotated[str, typer.Argument(help="The id of the key: the part between the underscores, or see the list.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write the key to this new file, for your eyes alone, rather than to the terminal."),
]

app = typer.Typer(help="Who may use the service: make, list, rotate and revoke keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The caller; keys of the same name see the same jobs.")],
    *,
    scope: Annotated[list[str], typer.Option(help=f"What it is for: {', '.join(SCOPES)}; several by commas.")],
    days: Annotated[int, typer.Option(min=0, max=MAX_DAYS, help="Until it expires; 0: never.")] = DEFAULT_DAYS,
    file: Out = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key. It is good at once, and shown this once."""
    keys, audit = _opened(data_dir)
    if any(record.name == name for record in keys.records()):
        notice(f"There are other keys of '{name}'; all of them see the same jobs.")
    with _sink(file) as sink:
        witness = _recording("key.create", audit.recorded)
        _hand_over(keys.create(name, scopes=_scopes(scope), days=days, witness=witness), sink)
    notice(f"It is good for the service over {keys.root.parent}.")


@app.command("list")
def list_keys(*, data_dir: DataDir = None) -> None:
    """List all keys, newest first, without their secrets, which nobody has but their owners."""
    table = Table("id", "caller", "scopes", "state", "created", "expires", box=None)
    for record in _opened(data_dir)[0].records():
        scopes, expires = " ".join(record.scopes), f"{record.expires_at:%Y-%m-%d}" if record.expires_at else "never"
        table.add_row(record.id, record.name, scopes, record.state(now()), f"{record.created_at:%Y-%m-%d}", expires)
    out.print(table)


@app.command()
def rotate(
    key_id: KeyId,
    *,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=MAX_OVERLAP_HOURS, help="For how long the old key is good, too.")
    ] = 0,
    days: Annotated[
        int | None, typer.Option(min=0, max=MAX_DAYS, help="Until it expires; 0: never (default: as before).")
    ] = None,
    file: Out = None,
    data_dir: DataDir = None,
) -> None:
    """Give a key another secret. Caller and scopes stay."""
    keys, audit = _opened(data_dir)
    with _sink(file) as sink:
        witness = _recording("key.rotate", audit.recorded)
        _hand_over(keys.rotate(key_id, overlap_hours=overlap_hours, days=days, witness=witness), sink)


@app.command()
def revoke(key_id: KeyId, *, data_dir: DataDir = None) -> None:
    """End a key at once, and the sessions that were opened with it."""
    keys, audit = _opened(data_dir)
    record = keys.revoke(key_id, witness=_recording("key.revoke", audit.recorded_if_possible))
    notice(f"Key {record.id} of '{record.name}' opens nothing any more.")


def _opened(data_dir: Path | None) -> tuple[ApiKeys, AuditLog]:
    chosen = settings(data_dir=data_dir)
    return ApiKeys(chosen.data_dir), open_audit(chosen)


def _recording(action: Action, recorded: Callable[[Event], AbstractContextManager[None]]) -> Witness:
    """Puts the change of a key into the audit log, as that of the user of this machine who runs this."""
    return lambda record: recorded(
        Event(
            action=action,
            object=f"key/{record.id}",
            caller=local_caller(),
            details={"name": record.name, "scopes": " ".join(record.scopes)},
        )
    )


def _scopes(given: list[str]) -> list[str]:
    """Those in `--scope read,generate` or `--scope read --scope generate`."""
    return [scope.strip() for text in given for scope in text.split(",")]


@contextmanager
def _sink(file: Path | None) -> Iterator[IO[str]]:
    """Where the key goes. Opened before there is one: a key that cannot be handed over is not made."""
    if file is None:
        yield sys.stdout
        return
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        yield opened


def _hand_over(new: NewKey, sink: IO[str]) -> None:
    record = new.record
    expires = f"until {record.expires_at:%Y-%m-%d}" if record.expires_at else "for ever"
    notice(f"Key {record.id} of '{record.name}' for {', '.join(record.scopes)}, {expires}. It is not shown again.")
    sink.write(f"{new.key}\n")
