"""The commands on the audit log: `cdmt audit verify | list | head | sign`."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from model.spec.errors import CDMTError
from service.audit.entries import Entry, Event
from service.audit.head import read_head, read_key
from service.audit.opening import local_caller, open_audit
from service.audit.reading import Filter, Unreadable, lines
from service.audit.verify import Checkpoint, Finding, verify
from service.cli.show import err, out
from service.contracts.installation import known_installation_id
from service.contracts.settings import Settings

CHECKPOINT = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})")

Folder = Annotated[
    Path | None, typer.Option(help="The folder of the log (default: CDMT_AUDIT_DIR, or `audit` in the data folder).")
]

app = typer.Typer(
    help="Look into the log of who did what, and check that nobody changed it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("verify")
def verify_log(
    *,
    folder: Folder = None,
    expect: Annotated[str | None, typer.Option(help="What `cdmt audit head` printed earlier: <count>:<hash>.")] = None,
) -> None:
    """Find any change, gap, reordering or cut in the audit log, and say where. Status 0: there is none; 1: there is."""
    settings = Settings()
    folder = _present(folder or settings.audit_folder)
    found = verify(
        folder,
        installation=known_installation_id(settings.data_dir),
        key=read_key(settings.audit_key_file),
        expected=None if expect is None else _checkpoint(expect),
    )
    for note in found.notes:
        out.print(f"note: {_told(note)}", markup=False)
    for problem in found.problems:
        out.print(f"PROBLEM: {_told(problem)}", style="bold red", markup=False)
    if found.problems:
        raise CDMTError(f"the audit log is not as it was written: {len(found.problems)} problems")
    signed = "its head is signed" if settings.audit_key_file else "no signature was checked (CDMT_AUDIT_KEY_FILE)"
    out.print(f"whole: {found.count} entries; {signed}", markup=False)


@app.command("list")
def list_entries(
    *,
    folder: Folder = None,
    caller: Annotated[str | None, typer.Option(help="Only what this caller did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as cohort.download.")] = None,
    thing: Annotated[
        str | None, typer.Option("--object", help="Only what was done with this, such as job/<id>.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="Only granted, failed or refused.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only from this time on (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
) -> None:
    """Print entries of the audit log as JSON lines, newest first."""
    wanted = Filter(caller=caller, action=action, object=thing, outcome=outcome, since=_utc(since))
    shown = 0
    for found in lines(_present(folder or Settings().audit_folder), wanted):
        if isinstance(found, Unreadable):
            err.print(f"{found.file}:{found.line} is no entry as it was written: cdmt audit verify", markup=False)
        elif shown == limit:
            break
        else:
            out.print(_line(found), markup=False)
            shown += 1


@app.command("head")
def print_head(*, folder: Folder = None) -> None:
    """Print how far the log has come, <count>:<hash>. Kept elsewhere, it shows by `verify --expect` if more is lost."""
    settings = Settings()
    head = read_head(_present(folder or settings.audit_folder), read_key(settings.audit_key_file))
    if head is None:
        raise CDMTError("the audit log has no head")
    out.print(f"{head.count}:{head.hash}", markup=False)


@app.command("sign")
def sign_head() -> None:
    """Sign the head with the key in CDMT_AUDIT_KEY_FILE, once that is new or has been changed. Verifies first."""
    settings = Settings()
    if settings.audit_key_file is None:
        raise CDMTError("CDMT_AUDIT_KEY_FILE names no file with a key")
    log = open_audit(settings)
    if verify(_present(log.folder), installation=known_installation_id(settings.data_dir)).problems:
        raise CDMTError("the audit log is not as it was written: cdmt audit verify")
    log.sign()
    log.append(Event(action="log.sign", caller=local_caller()))
    err.print("The head of the audit log is signed.")


def _checkpoint(text: str) -> Checkpoint:
    match = CHECKPOINT.fullmatch(text.strip())
    if match is None:
        raise CDMTError("--expect wants what `cdmt audit head` prints: <count>:<hash>")
    return Checkpoint(int(match[1]), match[2])


def _present(folder: Path) -> Path:
    if not folder.is_dir():
        raise CDMTError(f"there is no audit log in {folder}")
    return folder


def _utc(since: datetime | None) -> datetime | None:
    return None if since is None else datetime.fromisoformat(f"{since.isoformat()}+00:00")


def _line(entry: Entry) -> str:
    return entry.model_dump_json(exclude={"previous"}, exclude_none=True)


def _told(finding: Finding) -> str:
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return f"{place}: {finding.message}"
