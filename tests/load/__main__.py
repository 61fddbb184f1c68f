"""The load on two cores: `python -m tests.load --jobs 5000 --clients 50 --listeners 200 --out load.json`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.furniture import furnish
from tests.chaos.stack import running
from tests.load.figures import figures, shortcomings
from tests.load.run import Tally, bombard
from tests.worker.conftest import train_tiny


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 if they are not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where data and logs go and stay; absent: a temporary folder")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="load-") as temporary:
        tally = measure(
            wanted.folder or Path(temporary),
            n_jobs=wanted.jobs,
            n_clients=wanted.clients,
            n_listeners=wanted.listeners,
        )
    text = json.dumps(figures(tally), indent=1)
    sys.stdout.write(text + "\n")
    if wanted.out is not None:
        wanted.out.write_text(text + "\n")
    for shortcoming in shortcomings(tally):
        sys.stderr.write(f"{shortcoming}\n")
    return 1 if shortcomings(tally) else 0


def measure(folder: Path, *, n_jobs: int, n_clients: int, n_listeners: int) -> Tally:
    """Start one gateway and two workers that generate, bombard them, and stop them again."""
    furnish(folder / "var", train_tiny(folder / "tiny"))
    with running(folder, data_dir=folder / "var", workers=("generate", "generate")) as stack:
        return asyncio.run(bombard(stack, n_jobs=n_jobs, n_clients=n_clients, n_listeners=n_listeners))


if __name__ == "__main__":
    sys.exit(main())
