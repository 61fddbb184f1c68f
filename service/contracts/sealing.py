"""Which files of the data folder are encrypted where there is a key, and whether the key at hand is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from service.contracts.errors import BadKeyFile, NotFound
from service.contracts.records import SYNTHETIC, TABLE, WEIGHTS
from service.contracts.storage import ArtifactStore
from service.contracts.vault import Vault, key_id_of

CHECKPOINT = "training.safetensors"


def guarded_files(store: ArtifactStore) -> Iterator[Path]:
    """Those that are encrypted where there is a key. A bundled model is everybody's."""
    wanted = [("datasets", TABLE), ("models", WEIGHTS), ("jobs", SYNTHETIC), ("work", CHECKPOINT)]
    for folder, name in wanted:
        for path in sorted((store.root / folder).glob(f"*/{name}")):
            if folder != "models" or not _is_bundled(path.parent.name, store):
                yield path


def check_key(store: ArtifactStore) -> None:
    """BadKeyFile if files are encrypted, and none of them with a key at hand.

    Somebody has forgotten the key, or taken another one: what came in from now on would be plain, or under that.
    """
    found = {key_id for path in guarded_files(store) if (key_id := _key_id(path)) is not None}
    keys = store.files.keys if isinstance(store.files, Vault) else {}
    if found and found.isdisjoint(keys):
        raise BadKeyFile("CDMT_ENCRYPTION_KEY_FILE names no key with which the files in the data folder are encrypted")


def _key_id(path: Path) -> bytes | None:
    try:
        return key_id_of(path)
    except FileNotFoundError:  # deleted since it was listed
        return None


def _is_bundled(model_id: str, store: ArtifactStore) -> bool:
    try:
        return store.model(model_id).origin == "bundled"
    except (NotFound, ValidationError):  # nobody can use it, but its weights are there
        return False
