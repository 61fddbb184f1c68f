"""Models as zip archives: the files of a model's folder, plain, checked one by one on their way in."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
import zlib
from contextlib import ExitStack
from datetime import UTC
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from model.data.room import available_memory
from model.spec.errors import CheckpointError
from model.spec.files import PLAIN, Files, Source
from service.api.apart import run_apart
from service.api.auditing import event
from service.api.deps import Caller, Services
from service.api.downloads import ZIP, Download
from service.bundled import is_bundled
from service.contracts.errors import AlreadyPublished, NotFound
from service.contracts.ids import is_id
from service.contracts.records import WEIGHTS, ModelRecord
from service.contracts.requests import Title
from service.contracts.storage import RECORD, ArtifactStore, file_sha256, manifest, stage_record

FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.(safetensors|json|html|md)")
MEMORY_SHARE = 0.5
"""Of what is free, so much at most may be taken by an archive: for as long as somebody takes to fetch it."""
NO_MEMORY = "to pack this model takes more memory than there is now; try again later"
NO_ZIP = "the file is not a zip archive, or a damaged one"
# RuntimeError: of zipfile's own making; ValueError: nonsense in the directory.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
MAX_FILES = 32
MAX_HEADER_BYTES = 1 << 24
MAX_TEXT_BYTES = 1 << 24  # of a file that is read as a whole
MAX_RECORD_BYTES = 1 << 21  # every list of models reads them all
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # LZMA's header says how much memory it wants
ENCRYPTED = 0x1
TITLE: TypeAdapter[str] = TypeAdapter(Title)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes


def archive_download(model: ModelRecord, services: Services) -> Response:
    """The folder of a model as a zip, which goes once it is sent. NotFound, also if the model goes meanwhile.

    HTTPException 503 where it would have to be in the memory, and that has no room for it.
    """
    folder, files = services.store.model_dir(model.id), services.store.files
    n_bytes = sum(entry.bytes for entry in model.files.values())
    with ExitStack() as stack:
        path = _beside_or_in_memory(stack, services.store, name=f"{model.id}.zip", n_bytes=n_bytes)
        try:
            _pack(folder, path, files)
        except FileNotFoundError:
            raise NotFound("model", model.id) from None
        sha256 = file_sha256(path)
        cleanup = stack.pop_all().close  # the folder stays in use until the file is sent
    return Download(path, sha256=sha256, media_type=ZIP, filename=f"model-{model.id}.zip", cleanup=cleanup)


def _beside_or_in_memory(stack: ExitStack, store: ArtifactStore, *, name: str, n_bytes: int) -> Path:
    """Where an archive is made. Its weights are plain: where they are encrypted on the disk, it must not lie there."""
    if store.files is PLAIN:
        path = stack.enter_context(store.staging("archive")) / name
        path.touch()
        return path
    if n_bytes > MEMORY_SHARE * available_memory():
        raise HTTPException(503, NO_MEMORY, headers={"Retry-After": "30"})
    descriptor = os.memfd_create(name)
    stack.callback(os.close, descriptor)
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def import_archive(
    path: Path, folder: Path, *, services: Services, caller: Caller, is_resumed: bool = False
) -> ModelRecord:
    """Publish the model in the zip at `path` under its own id, made in `folder` in staging.

    `is_resumed`: an earlier request with the same archive was cut off by a crash; the model may be there already.

    Raises CheckpointError for anything that is not exactly an archive of ours; TableTooLarge where to unpack it takes
    more memory or time than any of ours would; AlreadyPublished.
    """
    settings = services.settings
    unpack = partial(_unpacked, path, folder, files=services.store.files, max_bytes=settings.max_upload_bytes)
    record = _linked(run_apart(unpack, log_level=settings.log_level), services)
    record = record.model_copy(update={"origin": "imported", "caller": caller.name})
    stage_record(folder, record)
    if is_bundled(record.id):  # deleted, perhaps, and registered anew at the next start: then with its privileges
        raise AlreadyPublished(f"'{record.id}' is a model that comes with the software")
    if is_resumed and services.store.exists("models", record.id) and services.store.model(record.id) == record:
        return record
    with services.audit.recorded(event("model.import", f"model/{record.id}", caller=caller, sha256=record.sha256)):
        services.store.publish(folder, "models", record.id)
    return record


def _linked(record: ModelRecord, services: Services) -> ModelRecord:
    """The record with the training data that this installation knows of: what an archive says of them may be made up.

    A model trained here is known by all of its files, since the privacy gate asks its report, too. Then nothing of the
    archive's record counts but what the model is called.
    """
    for known in services.store.models(services.store.ids("models")):
        if known.origin == "trained" and known.files == record.files:
            return known.model_copy(update={"id": record.id, "name": record.name})
    return record.model_copy(update={"dataset_id": None})


def _pack(folder: Path, path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(file for file in folder.iterdir() if FILE_NAME.fullmatch(file.name)):
            entry = zipfile.ZipInfo(file.name, EPOCH)
            entry.file_size = file.stat().st_size  # or less: so that zipfile knows whether it needs zip64
            with files.source(file).open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _unpacked(path: Path, folder: Path, *, files: Files, max_bytes: int) -> ModelRecord:
    """In a process apart: the record of the model in the zip at `path`, which becomes files in `folder`."""
    _unpack(path, folder, files=files, max_bytes=max_bytes)
    path.unlink()
    return _checked_record(folder, files)


def _unpack(path: Path, folder: Path, *, files: Files, max_bytes: int) -> None:
    """Write the archive's files into `folder`. Names are ours or refused, so none can lead out of it."""
    try:
        with files.source(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries, max_bytes=max_bytes)
            for entry in entries:
                kind = files if entry.filename == WEIGHTS else PLAIN
                with archive.open(entry) as source, kind.create(folder / entry.filename) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except DAMAGED as error:
        raise CheckpointError(NO_ZIP) from error


def _check_entries(entries: list[zipfile.ZipInfo], *, max_bytes: int) -> None:
    names = [entry.filename for entry in entries]
    if len(names) > MAX_FILES or len(set(names)) < len(names):
        raise CheckpointError("the archive holds too many files, or one of them twice")
    strange = [name for name in names if not FILE_NAME.fullmatch(name)]
    if strange:
        raise CheckpointError(f"the archive holds '{strange[0][:64]}', which is no file of a model")
    if any(entry.compress_type not in METHODS or entry.flag_bits & ENCRYPTED for entry in entries):
        raise CheckpointError("the archive is encrypted, or packed by another method than deflate")
    for entry in entries:
        most = {WEIGHTS: max_bytes, RECORD: MAX_RECORD_BYTES}.get(entry.filename, MAX_TEXT_BYTES)
        if entry.file_size > most:
            raise CheckpointError(f"the archive's {entry.filename} unpacks to more than the allowed {most} bytes")
    # zipfile reads no more of an entry than its announced size, so this bounds what is written.
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise CheckpointError(f"the archive unpacks to more than the allowed {max_bytes} bytes")


def _checked_record(folder: Path, files: Files) -> ModelRecord:
    try:
        record = ModelRecord.model_validate_json((folder / RECORD).read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise CheckpointError(f"the archive's {RECORD} is missing or not that of a model") from error
    if not is_id(record.id):
        raise CheckpointError(f"the archive's {RECORD} has an id that cannot be one")
    _check_shown(record)
    if manifest(folder, files) != record.files or WEIGHTS not in record.files:
        raise CheckpointError(f"the archive's files are not those that its {RECORD} lists")
    _check_weights(files.source(folder / WEIGHTS))
    return record


def _check_shown(record: ModelRecord) -> None:
    """Refuse a name that no request could give, and a time that no page could show."""
    try:
        TITLE.validate_python(record.name)
        record.created_at.astimezone(UTC)
    except ValidationError:
        raise CheckpointError(f"the archive's {RECORD} has a name that cannot be one") from None
    except OverflowError:
        raise CheckpointError(f"the archive's {RECORD} has a time that cannot be one") from None


def _check_weights(source: Source) -> None:
    """Refuse what is not in safetensors format: 8 bytes of header length, a JSON header, then the numbers."""
    with source.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length <= MAX_HEADER_BYTES else b""
    try:
        tensors = json.loads(header)
    except (ValueError, RecursionError):
        tensors = None
    if not isinstance(tensors, dict):
        raise CheckpointError(f"{WEIGHTS} is not in safetensors format")
