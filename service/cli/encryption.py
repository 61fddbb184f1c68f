"""`cdmt encrypt`: what lies in the data folder already is encrypted with the key in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from model.spec.errors import CDMTError
from service.audit.entries import Event
from service.audit.opening import local_caller, open_audit
from service.cli.online import DataDir, settings
from service.cli.show import err
from service.contracts.data_folder import claim
from service.contracts.durable import give_to_owner_of, sync_folder
from service.contracts.errors import Undecryptable
from service.contracts.sealing import guarded_files
from service.contracts.storage import ArtifactStore
from service.contracts.vault import Vault, read_vault

SHOWN = 5


def encrypt(*, data_dir: DataDir = None) -> None:
    """Encrypt tables, weights and checkpoints that are plain or under an older key. Stop the service before.

    The key is the first line of the file that CDMT_ENCRYPTION_KEY_FILE names; its other lines only decrypt.
    """
    chosen = settings(data_dir=data_dir)
    if chosen.encryption_key_file is None:
        raise CDMTError("CDMT_ENCRYPTION_KEY_FILE names no file with a key: openssl rand -hex 32")
    vault = read_vault(chosen.encryption_key_file)
    claim(chosen.data_dir)
    store = ArtifactStore(chosen.data_dir, files=vault)
    old = [path for path in guarded_files(store) if not vault.is_up_to_date(path)]
    done = Event(action="data.encrypt", caller=local_caller(), details={"key": vault.key_id.hex(), "files": len(old)})
    with open_audit(chosen).recorded(done):
        left = [path.relative_to(store.root) for path in old if not _is_renewed(path, vault)]
        if left:
            raise CDMTError(f"{len(left)} of {len(old)} files cannot be read and stay as they are: {_named(left)}")
    err.print(f"{len(old)} files were encrypted; all others were.")


def _is_renewed(path: Path, vault: Vault) -> bool:
    """Renew a file. One that is damaged, or whose key is gone, must not keep the others under an old key."""
    try:
        _renew(path, vault)
    except Undecryptable:
        return False
    return True


def _named(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(map(str, paths[:SHOWN])) + more


def _renew(path: Path, vault: Vault) -> None:
    """Replace a file by itself, encrypted, in one step."""
    beside = path.with_name(f".{path.name}.encrypted")
    beside.unlink(missing_ok=True)  # of one that was killed
    try:
        with vault.source(path).open("rb") as source, vault.create(beside) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        give_to_owner_of(path.parent, beside)
        beside.replace(path)
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)
