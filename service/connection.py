"""How the gateway reaches Redis."""

from __future__ import annotations

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff, NoBackoff
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


def connect_for_news(url: str) -> AsyncRedis:
    """A client of the event loop, to listen with: it waits for messages as long as it is told to, and never retries."""
    return AsyncRedis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, retry=AsyncRetry(NoBackoff(), 0))
