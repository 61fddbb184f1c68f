"""The tables that arms are run on: the one that is given, that of longer stays beside it, and a simulated one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from model.reproduction.simulation import simulate_eicu
from model.training import Progress

Window = Literal["given", "48", "272"]

SHORT, LONG = "_0_24", "_0_47"
"""Parts of the names of Challenge 2012's tables: the first and the last hour."""


SIMULATED_STAYS, SIMULATION_SEED = 6_000, 0


def window_table(window: Window, data: Path, work: Path) -> Path:
    """The table of a window, where `data` is the given one and `work` the folder for made ones; it need not exist."""
    if window == "given":
        return data
    if window == "272":
        return work / f"simulated-{SIMULATED_STAYS}-{SIMULATION_SEED}.parquet"
    stem = data.stem.removesuffix(SHORT)
    return data.with_name(f"{stem}{LONG}{data.suffix}")


def make_simulated(table: Path, *, progress: Progress, n_stays: int = SIMULATED_STAYS) -> None:
    """Write the table of simulated stays of 272 steps, by way of eICU's raw files and their importer.

    Raises ImportError where DuckDB is not installed (extra `sources`).
    """
    from model.data.sources.eicu import import_eicu  # which needs DuckDB

    table.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".simulated-", dir=table.parent) as folder:
        progress("simulating stays of 272 steps", 0, 1)
        simulate_eicu(Path(folder), n_stays=n_stays, seed=SIMULATION_SEED)
        made = Path(folder) / "made.parquet"
        import_eicu(Path(folder), made, progress=progress)
        made.replace(table)
