"""Work that is done again and again, on a GPU as one CUDA graph: hundreds of kernels for the price of one launch."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

RUNS_BEFORE_CAPTURE = 3
"""Runs as they are, in which torch sets up what must not be captured: libraries, workspaces, an optimiser's state."""

_log = logging.getLogger(__name__)


class Captured:
    """Runs `work`, which reads and writes tensors that stay where they are and draws from the generator it is given.

    On a CPU that is all. On a GPU the kernels of `work` are captured after a few runs, and launched from then on as one
    CUDA graph; what cannot be captured is run as before, and the reason is logged. The random numbers follow from
    the seed of a run alone, captured or not.
    """

    def __init__(self, work: Callable[[torch.Generator], None], *, name: str, device: torch.device) -> None:
        self.name, self.device = name, device
        self._work = work
        self._generator = torch.Generator(device)
        self._runs = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def __call__(self, *, seed: int = 0) -> None:
        """Run once."""
        self._generator.manual_seed(seed)
        if self._graph is not None:
            self._graph.replay()
        elif self._stream is None:
            self._work(self._generator)
        else:
            self._run_beside(self._stream)
            self._runs += 1
            if self._runs == RUNS_BEFORE_CAPTURE:
                self._graph = self._capture(self._stream)

    def _run_beside(self, stream: torch.cuda.Stream) -> None:
        """A graph is captured on a stream of its own, and what the first runs set up must belong to it."""
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            self._work(self._generator)
        torch.cuda.current_stream(self.device).wait_stream(stream)

    def _capture(self, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph | None:
        """The graph of a run, which is not run by this; None where there is none."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        try:
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._work(self._generator)
        except Exception as error:  # noqa: BLE001  (whatever it is: uncaptured, the work goes on)
            _log.warning("%s: not captured as a CUDA graph: %s: %s", self.name, type(error).__name__, error)
            self._generator = torch.Generator(self.device)  # the old one may believe that a capture is under way
            return None
        return graph
