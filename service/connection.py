"""How the gateway reaches Redis."""

from __future__ import annotations

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

CONNECT_SECONDS = 2
ANSWER_SECONDS = 5


def connect(url: str) -> Redis:
    """A client that gives up soon: whoever asks the gateway shall hear of it, and not wait for Redis to come back.

    It tries again once, so that a connection that Redis closed meanwhile does no harm.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        health_check_interval=30,
        retry=Retry(ConstantBackoff(0.05), 1),
    )
