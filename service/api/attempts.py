"""Wrong keys cost: after a few from one address, no unknown one is looked at for a while. In memory, and bounded.

Who has been let in by a key goes on being let in by it from the same address, so that somebody who guesses, or a
script with a wrong key, does not lock out all others behind the same proxy.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from service.contracts.errors import TooManyAttempts

BURST = 10
REFILL_SECONDS = 6.0  # until one more attempt is allowed
NOWHERE = "nowhere"  # what is no IP address: whoever makes one up gets no attempts by it, and no memory of ours
MAX_REMEMBERED = 10_000  # addresses, and addresses with a key that was right; the oldest are forgotten

Key = TypeVar("Key")
Value = TypeVar("Value")


class Attempts:
    """Counts wrong keys by address; may be used from several threads. An IPv6 address stands for its /64."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # network -> attempts left, as of when
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()  # network and digest

    def check(self, address: str, sha256: str) -> None:
        """TooManyAttempts if what has this digest shall not be looked at now."""
        network = _network(address)
        with self._lock:
            left = self._attempts_left(network)
            if left < 1 and (network, sha256) not in self._right:
                raise TooManyAttempts(math.ceil((1 - left) * REFILL_SECONDS))

    def wrong(self, address: str) -> None:
        """A wrong key came from there."""
        network = _network(address)
        with self._lock:
            _remember(self._left, network, (max(0.0, self._attempts_left(network) - 1), self._clock()))

    def right(self, address: str, sha256: str) -> None:
        """A key that is right came from there."""
        with self._lock:
            _remember(self._right, (_network(address), sha256), None)

    def _attempts_left(self, network: str) -> float:
        left, at = self._left.get(network, (float(BURST), self._clock()))
        return min(float(BURST), left + (self._clock() - at) / REFILL_SECONDS)


def _remember(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)


def _network(address: str) -> str:
    """The address, or the network of the one who has as many as they like."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return NOWHERE
    if parsed.version == 4 or parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped if parsed.version == 6 else parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
