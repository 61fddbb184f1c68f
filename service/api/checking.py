"""An uploaded table, read and checked: a large one in a process of its own, which takes its memory along when it ends.

So the gateway stays small, answers others meanwhile, and survives a table that is larger than it looked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from model.data.arrange import arrange
from model.data.inference import infer_schema
from model.data.layout import TableSummary
from model.data.readers import Limits, count_cells, read_table
from model.spec.errors import CDMTError, TableTooLarge
from model.spec.files import Files
from model.spec.schema import Schema
from service.contracts.logs import configure_logs
from service.contracts.settings import Settings

SMALL_BYTES = 512 * 2**20
"""A table that cannot take more memory than this is read by the gateway itself: a process takes a second to start."""
BYTES_PER_CELL = 80
"""At most: read and arranged, where an inferred grid may be ten times as large as the table."""
BYTES_PER_GRID_CELL = 8
NO_MEMORY = "to read the table takes more memory than there is"

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class CheckedTable(NamedTuple):
    """What is known of a table that has been checked: its schema, its columns and their types, its counts."""

    schema: Schema
    columns: dict[str, str]
    summary: TableSummary


def check_upload(
    upload: Path, target: Path, *, schema: Schema | None, settings: Settings, files: Files, one_class: bool = False
) -> CheckedTable:
    """Read the table in the uploaded file, which is then removed, and write its columns to `target`.

    Without a schema, one is inferred. Raises DataError, SchemaError; TableTooLarge where the memory does not suffice.
    """
    limits = Limits(settings.max_columns, settings.max_rows, settings.max_table_bytes)
    work = partial(_check, upload, target, schema=schema, limits=limits, files=files, one_class=one_class)
    length = 0 if schema is None else schema.sequence_length
    may_take = count_cells(files.source(upload)) * max(BYTES_PER_CELL, BYTES_PER_GRID_CELL * length)
    return work() if may_take <= SMALL_BYTES else run_apart(work, log_level=settings.log_level)


def _check(
    upload: Path, target: Path, *, schema: Schema | None, limits: Limits, files: Files, one_class: bool
) -> CheckedTable:
    frame = read_table(files.source(upload), max_columns=limits.columns, max_rows=limits.rows, max_bytes=limits.bytes)
    upload.unlink()
    schema = schema or infer_schema(frame)
    arranged = arrange(frame, schema, one_class=one_class)
    columns = {column.name: column.dtype for column in arranged.layout.columns}
    with files.create(target) as file:
        frame[list(columns)].to_parquet(file, index=False, compression="zstd")
    return CheckedTable(schema, columns, arranged.summary)


def run_apart(work: Callable[[], Result], *, log_level: str) -> Result:
    """What `work`, which must be picklable, returns or raises of our errors, done in a fresh process.

    TableTooLarge where that is killed, or has no memory; RuntimeError where it fails unexpectedly, which it logs.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, log_level), daemon=True)
    process.start()
    sender.close()
    with receiver:
        try:
            outcome: Result | CDMTError | None = receiver.recv()
        except EOFError:
            raise TableTooLarge(NO_MEMORY) from None
        finally:
            process.join()
    if isinstance(outcome, CDMTError):
        raise outcome
    if outcome is None:
        raise RuntimeError("a table could not be checked; its process has logged why")
    return outcome


def _answer(sender: Connection, work: Callable[[], object], log_level: str) -> None:
    """In the fresh process. Only our own errors leave it: the words of others may quote a patient's value."""
    Path("/proc/self/oom_score_adj").write_text("1000")  # if the memory runs out, this process ends and no other
    configure_logs(log_level)
    outcome: object = None
    try:
        outcome = work()
    except CDMTError as error:
        outcome = error
    except MemoryError:
        outcome = TableTooLarge(NO_MEMORY)
    except Exception as error:
        log.error("unexpected error", exc_info=error)
    sender.send(outcome)
