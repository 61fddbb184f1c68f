"""Connections that say nothing, or say it a byte at a time, are closed: each takes a place, and there are so many."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0
"""In which the head of a request must have come, from the connection's beginning or from its first byte on."""
MAX_CONNECTIONS = 1000
"""Beyond these, requests are answered 503 at once."""


class PatientProtocol(H11Protocol):
    """uvicorn's protocol waits for the head of a request for ever; of the body, BodyLimit takes care."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The first request is awaited."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """A part of a head, of a body, or of several."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is awaited."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        """Begin to wait where no head is whole, and end it where one is."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
