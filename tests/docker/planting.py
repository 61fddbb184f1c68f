"""Run in a worker's container, with its password of Redis: puts pickles and calls into the queue of generations.

Prints the ids of RQ's jobs. What is planted would make TRAP.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from redis import Redis

from service.contracts.installation import installation_id
from service.contracts.jobs import queue_name
from service.contracts.redis_url import redis_url
from service.contracts.settings import Settings

TRAP = "/data/trap"


class Bomb:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(TRAP),)


def call(*data: object) -> bytes:
    """What RQ keeps of a call: function, instance, arguments, named arguments."""
    return json.dumps(data).encode()


PLANTED: dict[str, dict[str, bytes]] = {
    "a-pickle": {"data": pickle.dumps(Bomb())},
    "a-command": {"data": call("os.system", None, [f"touch {TRAP}"], {})},
    "a-program": {"data": call("builtins.exec", None, [f"open({TRAP!r}, 'w')"], {})},
    "a-method": {"data": call("touch", TRAP, [], {})},
    "a-result": {"data": call("worker.tasks.run", None, ["../../keys"], {}), "result": pickle.dumps(Bomb())},
    "a-hook": {
        "data": call("worker.tasks.run", None, ["nobody"], {}),
        "failure_callback_name": json.dumps("os.system").encode(),
        "success_callback_name": json.dumps("os.system").encode(),
    },
}


def main() -> None:
    """Plant all of it in the queue of generations."""
    settings = Settings()
    url = redis_url(settings)
    assert url is not None
    redis = Redis.from_url(url)
    queue = queue_name("generate", installation_id(settings.data_dir))
    for name, fields in PLANTED.items():
        known = {"origin": queue, "status": "queued", "created_at": "2026-01-01T00:00:00Z", "timeout": "60"}
        redis.hset(f"rq:job:{name}", items=[text for pair in (known | fields).items() for text in pair])
        redis.lpush(f"rq:queue:{queue}", name)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
