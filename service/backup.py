"""A backup of the data folder: one tar, made while the service runs, and put back as a whole or not at all.

Whatever the folder holds is published by a rename and never changed in place, so that hard links to it are a copy that
nobody changes any more. While they are made the audit log stands still, and with it all that callers begin: it is put
down there first. What workers finish meanwhile is seen as after a crash, of which every start takes care: jobs come
first, so that one may be found running whose cohort is there, and never the other way round.

The queue is not in it: it holds nothing but the ids of jobs, and the reconciler puts those into an empty one.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

from pydantic import AwareDatetime, ValidationError

from model.spec.base import Spec
from service.audit.entries import Action, Event
from service.audit.head import FILE as HEAD
from service.audit.head import read_key
from service.audit.opening import local_caller, open_audit
from service.audit.snapshot import held_still, snapshot
from service.contracts import data_folder, installation
from service.contracts.durable import give_to_owner_of, sync_folder, sync_tree
from service.contracts.errors import BadBackup, UnusableFolder
from service.contracts.jobs import now
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore

PARTS = ("jobs", "webhooks", "idempotency", "work", "cohorts", "reports", "models", "datasets", "keys")
"""Folders, in the order in which they are copied: what a job needs or makes, after the job."""
FILES = (installation.FILE, data_folder.FILE)
AUDIT = "audit"
END = "backup.json"


class End(Spec):
    """The last file of a backup, without which it is not whole."""

    created_at: AwareDatetime
    n_files: int


def write_backup(settings: Settings, target: IO[bytes]) -> int:
    """Write a backup of the data folder to `target`; how many files are in it. UnusableFolder, OSError.

    It is put down in the audit log first: AuditUnavailable, and nothing leaves.
    """
    root = settings.data_dir.absolute()
    if installation.known_installation_id(root) is None:
        raise UnusableFolder(f"{root} is not the data folder of a service: CDMT_DATA_DIR or --data-dir names it")
    data_folder.claim(root)
    audit = open_audit(settings)
    with audit.recorded(_event("data.backup")), ArtifactStore(root).staging("backup") as folder:
        with held_still(settings.audit_folder):
            _link_all(root, folder)
            head, sizes = snapshot(settings.audit_folder)
        with tarfile.open(fileobj=target, mode="w|") as tar:
            n_files = _add_files(tar, folder) + _add_audit(tar, settings.audit_folder, head, sizes)
            _add_bytes(tar, END, End(created_at=now(), n_files=n_files).model_dump_json().encode())
    return n_files


def restore_backup(settings: Settings, source: IO[bytes]) -> int:
    """Put a backup into the empty or absent data folder; how many files it had. BadBackup, UnusableFolder, OSError.

    Where it fails the folder is as empty as before. After a power cut in between, `claim` refuses the folder. The
    restored audit log goes on with an entry that says so; a damaged one keeps nobody from the data. BadKeyFile.
    """
    read_key(settings.audit_key_file)  # one that is not there is told before anything is put in place
    root, audit = settings.data_dir.absolute(), settings.audit_folder.absolute()
    for folder in (root, audit):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(path.name != "lost+found" and path != audit for path in folder.iterdir()):
            raise UnusableFolder(f"{folder} is not empty: a backup is restored into a new data folder")
    unpacked = root / data_folder.RESTORING
    unpacked.mkdir(mode=0o700)
    try:
        n_files = _unpack(source, unpacked)
        data_folder.claim(unpacked)
        shutil.copytree(unpacked / AUDIT, audit, dirs_exist_ok=True)  # it may be on another disk
        sync_tree(audit)
    except BaseException:
        shutil.rmtree(unpacked)
        _empty(audit)
        raise
    shutil.rmtree(unpacked / AUDIT)
    for path in (audit, *audit.rglob("*"), *unpacked.rglob("*")):
        give_to_owner_of(root, path)
    _move_in(unpacked, root)
    open_audit(settings).append_if_possible(_event("data.restore"))
    return n_files


def _event(action: Action) -> Event:
    return Event(action=action, caller=local_caller())


def _link_all(root: Path, folder: Path) -> None:
    for name in FILES:
        os.link(root / name, folder / name)
    for part in PARTS:
        (folder / part).mkdir(mode=0o700)
        for path in _present(root / part):
            _link(path, folder / part / path.name)


def _link(path: Path, to: Path) -> None:
    """Link a file, or a thing with all its files; anew if it changes meanwhile, and not at all once it is removed."""
    while path.exists():
        try:
            if path.is_dir():
                to.mkdir(mode=0o700)
                for file in _present(path):
                    os.link(file, to / file.name)
            else:
                os.link(path, to)
        except FileNotFoundError:
            shutil.rmtree(to, ignore_errors=True)
        else:
            return


def _present(folder: Path) -> Iterator[Path]:
    """What is in a folder, if it is there, without what is only being written beside."""
    return (path for path in sorted(folder.glob("*")) if not path.name.startswith("."))


def _add_files(tar: tarfile.TarFile, folder: Path) -> int:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        with path.open("rb") as file:
            _add(tar, path.relative_to(folder).as_posix(), file, os.fstat(file.fileno()))
    return len(paths)


def _add_audit(tar: tarfile.TarFile, folder: Path, head: bytes | None, sizes: Mapping[str, int]) -> int:
    """The log as it was when nobody could append; what has come since lies behind that."""
    for name, size in sizes.items():
        with (folder / name).open("rb") as file:
            _add(tar, f"{AUDIT}/{name}", file, os.fstat(file.fileno()), size=size)
    if head is not None:
        _add_bytes(tar, f"{AUDIT}/{HEAD}", head)
    return len(sizes) + (head is not None)


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], status: os.stat_result, *, size: int | None = None) -> None:
    member = tarfile.TarInfo(name)
    member.size = status.st_size if size is None else size
    member.mtime = status.st_mtime  # by which retention counts
    member.mode = status.st_mode & 0o777
    tar.addfile(member, file)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(content), now().timestamp(), 0o600
    tar.addfile(member, BytesIO(content))


def _unpack(source: IO[bytes], folder: Path) -> int:
    n_files, end = 0, None
    for part in (*PARTS, AUDIT):
        (folder / part).mkdir(mode=0o700)
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() and _is_ours(member.name) else None
                if content is None:
                    raise BadBackup(f"'{member.name}' is nothing that a backup of ours holds")
                if member.name == END:
                    end = End.model_validate_json(content.read())
                else:
                    n_files += 1
                    _write(folder / member.name, content, member)
    except (tarfile.TarError, ValidationError) as error:
        raise BadBackup(f"this is no backup, or a damaged one: {type(error).__name__}") from None
    if end is None or end.n_files != n_files:
        raise BadBackup("the backup is not whole: its end is missing")
    return n_files


def _is_ours(name: str) -> bool:
    """Whether it is a file of a kind that we write: nothing that a stranger could put elsewhere."""
    part, *rest = name.split("/")
    if not rest:
        return part in (*FILES, END)
    return part in (*PARTS, AUDIT) and len(rest) <= 2 and not any(word in ("", ".", "..") for word in rest)


def _write(path: Path, content: IO[bytes], member: tarfile.TarInfo) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
        os.fchmod(file.fileno(), member.mode & 0o777)
    os.utime(path, (member.mtime, member.mtime))


def _move_in(unpacked: Path, root: Path) -> None:
    """Give everything its place, once it is on the disk."""
    sync_tree(unpacked)
    for path in sorted(unpacked.iterdir()):
        path.rename(root / path.name)
    sync_folder(root)
    unpacked.rmdir()
    sync_folder(root)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
