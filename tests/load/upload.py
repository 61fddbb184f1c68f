"""What a large upload takes of memory: `python -m tests.load.upload --megabytes 100 400`.

A CSV of made-up stays is made while it is sent, as the file of a form, to a gateway. The peaks are those
of the resident memory, looked at 20 times a second: of the gateway itself, and of the process in which it has the
table checked.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from tests.chaos.stack import Stack, running

STEPS = 25
BLOCK_STAYS = 400
SAMPLE_SECONDS = 0.05
HEADER = "stay,hour,heart_rate,sbp,dbp,map,resp,temp,spo2,ventilated,death\n"
BOUNDARY = "boundary"


class Peaks(threading.Thread):
    """The largest resident sizes of a process and of its children, while it runs."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.own = self.children = 0
        self._process = psutil.Process(pid)
        self._over = threading.Event()

    def run(self) -> None:
        """Look until `end`."""
        while not self._over.wait(SAMPLE_SECONDS):
            self.own = max(self.own, self._process.memory_info().rss)
            for child in self._process.children():
                with suppress(psutil.NoSuchProcess):
                    self.children = max(self.children, child.memory_info().rss)

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line of figures per size."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.upload", description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--max-rows", type=int, default=50_000_000)
    wanted = parser.parse_args(argv)
    limits = {"max_upload_bytes": 8 << 30, "max_rows": wanted.max_rows}
    with (
        tempfile.TemporaryDirectory(prefix="upload-") as folder,
        running(Path(folder), data_dir=Path(folder) / "var", workers=("generate",), **limits) as stack,
    ):
        send(stack, 1_000_000)
        for megabytes in wanted.megabytes:
            found = send(stack, megabytes * 1_000_000)
            sys.stdout.write(json.dumps({"platform": platform.platform(), **found}) + "\n")
            sys.stdout.flush()
    return 0


def send(stack: Stack, n_bytes: int) -> dict[str, Any]:
    """Upload a CSV of about so many bytes; the answer, the peaks, and the seconds."""
    before = psutil.Process(stack.gateway.pid).memory_info().rss
    peaks, start = Peaks(stack.gateway.pid), time.perf_counter()
    peaks.start()
    answer = httpx.post(
        f"{stack.url}/datasets",
        content=form(n_bytes),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        timeout=3600,
        trust_env=False,
    )
    peaks.end()
    said = answer.json()
    return {
        "bytes": n_bytes,
        "status": answer.status_code,
        "rows": said.get("n_rows"),
        "detail": said.get("detail"),
        "seconds": round(time.perf_counter() - start, 1),
        "gateway_before": before,
        "gateway_peak": peaks.own,
        "child_peak": peaks.children,
    }


def form(n_bytes: int) -> Iterator[bytes]:
    """The body of the form, block by block."""
    disposition = 'Content-Disposition: form-data; name="file"; filename="stays.csv"'
    yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n{HEADER}".encode()
    vitals = np.random.default_rng(0).normal(80, 5, size=(BLOCK_STAYS * STEPS, 7)).round(1).tolist()
    tails = [",".join(map(str, row)) for row in vitals]
    sent, first = 0, 0
    while sent < n_bytes:
        block = "".join(
            f"{first + k // STEPS},{k % STEPS},{tail},{'yes' if first % 3 else 'no'},{k // STEPS % 4 // 3}\n"
            for k, tail in enumerate(tails)
        ).encode()
        yield block
        sent, first = sent + len(block), first + BLOCK_STAYS
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


if __name__ == "__main__":
    sys.exit(main())
