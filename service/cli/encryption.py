"""`cdmt encrypt`: what lies in the data folder already is encrypted with the key in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from model.spec.errors import CDMTError
from service.cli.online import DataDir, settings
from service.cli.show import err
from service.contracts.data_folder import claim
from service.contracts.records import SYNTHETIC, TABLE, WEIGHTS
from service.contracts.storage import ArtifactStore, sync_folder
from service.contracts.vault import Vault, read_vault

CHECKPOINT = "training.safetensors"


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
    old = [path for path in _files(store) if not vault.is_up_to_date(path)]
    for path in old:
        _renew(path, vault)
    err.print(f"{len(old)} files were encrypted; all others were.")


def _files(store: ArtifactStore) -> Iterator[Path]:
    """Those that are encrypted where there is a key. A bundled model is everybody's."""
    wanted = [("datasets", TABLE), ("models", WEIGHTS), ("jobs", SYNTHETIC), ("work", CHECKPOINT)]
    for folder, name in wanted:
        for path in sorted((store.root / folder).glob(f"*/{name}")):
            if folder != "models" or store.model(path.parent.name).origin != "bundled":
                yield path


def _renew(path: Path, vault: Vault) -> None:
    """Replace a file by itself, encrypted, in one step."""
    beside = path.with_name(f".{path.name}.encrypted")
    try:
        with vault.source(path).open("rb") as source, vault.create(beside) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)
