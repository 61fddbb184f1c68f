from __future__ import annotations

import time

import pytest
from redis import Redis
from redis.exceptions import RedisError

from service.connection import connect


def test_a_connection_that_redis_has_closed_does_no_harm(valkey_url: str, redis: Redis) -> None:
    with connect(valkey_url) as ours:
        redis.client_kill_filter(_id=str(ours.client_id()))
        assert ours.ping()


def test_without_a_redis_it_gives_up_soon() -> None:
    begin = time.monotonic()
    with connect("redis://127.0.0.1:1") as nobody, pytest.raises(RedisError):
        nobody.ping()
    assert time.monotonic() - begin < 2
