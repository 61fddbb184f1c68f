"""Tables on their way in and out: files, or frames of pandas, which is imported only where one is asked for."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cdmt_client.effects import Form, Told
from cdmt_client.errors import Unreadable

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = "str | os.PathLike[str] | pd.DataFrame"
"""The path of a Parquet or CSV file, or a frame: a row per stay and time step."""

NEEDS_FRAMES = "frames need pandas and pyarrow: pip install 'cdmt-client[frame]'"


def form(table: Table, *, fields: dict[str, str | None], told: Told | None) -> Form:
    """The table as a form. A frame becomes Parquet in the memory: no copy of real stays is left on the disk."""
    given = {name: value for name, value in fields.items() if value is not None}
    if isinstance(table, str | os.PathLike):
        path = Path(table)
        if not path.is_file():
            raise Unreadable(f"there is no file {path}")
        return Form(path, path.name, given, told)
    return Form(_parquet(table), "frame.parquet", given, told)


def frame(content: bytes) -> pd.DataFrame:
    """The Parquet file as a frame."""
    try:
        import pandas as pd
        import pyarrow as pa  # noqa: F401  so that its absence is told in our words
    except ImportError:
        raise Unreadable(NEEDS_FRAMES) from None
    return pd.read_parquet(io.BytesIO(content))


def _parquet(table: pd.DataFrame) -> bytes:
    if not hasattr(table, "to_parquet"):
        raise Unreadable(f"a table is a path or a pandas DataFrame, not a {type(table).__name__}")
    buffer = io.BytesIO()
    try:
        table.to_parquet(buffer, index=False)
    except ImportError:
        raise Unreadable(NEEDS_FRAMES) from None
    return buffer.getvalue()
