"""The real stays behind a job: read from the store, arranged, split as the model's training did."""

from __future__ import annotations

from model.data.arrange import ArrangedTable, arrange
from model.data.readers import read_table
from model.data.split import Split, split
from model.spec.errors import CDMTError
from model.spec.files import Source
from model.spec.schema import Schema
from service.contracts.errors import NotFound
from service.contracts.records import TABLE, DatasetRecord, ModelRecord
from service.contracts.storage import ArtifactStore, file_sha256

UNLIMITED = 2**62  # limits are for uploads; what is stored has passed them


def read_stays(source: Source, schema: Schema, *, one_class: bool = False) -> ArrangedTable:
    """The stays in a Parquet or CSV file; DataError, SchemaError. With `one_class`, a label may show one class only."""
    frame = read_table(source, max_columns=UNLIMITED, max_rows=UNLIMITED, max_bytes=UNLIMITED)
    return arrange(frame, schema, one_class=one_class)


def table_of(record: DatasetRecord, store: ArtifactStore) -> Source:
    """The table of a dataset. CDMTError if it is not the one that came with the record, such as another dataset's."""
    table = store.files.source(store.dataset_dir(record.id) / TABLE)
    if file_sha256(table) != record.files[TABLE].sha256:
        raise CDMTError(f"dataset '{record.id}': {TABLE} is not the file that its record describes")
    return table


def has_dataset(record: ModelRecord, store: ArtifactStore) -> bool:
    """Whether the very table that a model was trained on is still in the store."""
    if record.dataset_id is None:
        return False
    try:
        return store.dataset(record.dataset_id).sha256 == record.dataset_sha256
    except NotFound:
        return False


def split_of(record: ModelRecord, store: ArtifactStore) -> Split | None:
    """The stays that a model was trained on and its holdout, split as they were then; None if they are gone."""
    if record.dataset_id is None or not has_dataset(record, store):
        return None
    try:
        table = table_of(store.dataset(record.dataset_id), store)
        stays = read_stays(table, record.table_schema).stays
    except (NotFound, FileNotFoundError):  # deleted, perhaps while we read
        return None
    return split(stays, holdout_fraction=record.holdout_fraction, seed=record.seed)
