"""Identifiers of datasets, models and jobs."""

from __future__ import annotations

import re
import secrets
import time
import uuid

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{2,63}$"


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): random, and sortable by the time at which it was made."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def is_id(text: str) -> bool:
    """Whether `text` can name a thing of ours. What passes holds no separator, no dot, no blank: safe in a path."""
    return re.fullmatch(ID_PATTERN[1:-1], text) is not None
