"""The passwords of the composed service: `python -m service.secrets`, run once before everything else starts.

Each role has a password for Redis of its own, in a folder of its own, which becomes the volume that this role's
containers alone can read. Redis itself gets the digests, in its list of users, and the password of its health check.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PASSWORD_BYTES = 32
PASSWORDS = {"gateway": "gateway/redis", "worker": "worker/redis", "health": "redis/health"}
"""User of Redis -> the file with its password."""
USERS = "redis/users.acl"
FOR_US, FOR_REDIS = 0o400, 0o444
"""Modes of files: gateway and workers run under our own user id, Redis under one that its image chooses."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is missing, and the list of users anew."""
    arguments = _parser().parse_args(argv)
    passwords = {user: _password(arguments.into / name, renew=arguments.renew) for user, name in PASSWORDS.items()}
    users = render_users(arguments.rules.read_text(encoding="utf-8"), passwords)
    _write(arguments.into / USERS, users, mode=FOR_REDIS)
    sys.stdout.write(f"{', '.join(PASSWORDS)}: passwords {'renewed' if arguments.renew else 'in place'}\n")
    return 0


def render_users(rules: str, passwords: Mapping[str, str]) -> str:
    """Redis's list of users: `rules` without comments, one line a user, with the digests of the passwords.

    In `rules`, `user NAME` begins a user, and whatever follows up to the next one is the user's. ValueError if a user
    that is on has no password.
    """
    lines = (line.partition("#")[0].split() for line in rules.splitlines())
    users: list[list[str]] = []
    for words in filter(None, lines):
        if words[0] == "user":
            users.append([])
        users[-1] += words
    return "".join(f"{' '.join(_with_password(user, passwords))}\n" for user in users)


def _with_password(user: Sequence[str], passwords: Mapping[str, str]) -> Sequence[str]:
    _, name, *rest = user
    if "off" in rest:
        return user
    if name not in passwords:
        raise ValueError(f"there is no password for the user '{name}' of Redis")
    return ("user", name, f"#{hashlib.sha256(passwords[name].encode()).hexdigest()}", *rest)


def _password(path: Path, *, renew: bool) -> str:
    """The password in a file; a new one, random and safe in a URL, where there is none."""
    if not renew and path.exists() and (found := path.read_text(encoding="ascii").strip()):
        return found
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    _write(path, password, mode=FOR_REDIS if path.parent.name == "redis" else FOR_US)
    return password


def _write(path: Path, text: str, *, mode: int) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    beside.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.secrets", description=__doc__)
    parser.add_argument("--rules", type=Path, default=Path("docker/redis.acl"), help="what each user of Redis may do")
    parser.add_argument("--into", type=Path, default=Path("/secrets"), help="folder with a folder per role")
    parser.add_argument("--renew", action="store_true", help="new passwords; restart everything afterwards")
    return parser


if __name__ == "__main__":
    sys.exit(main())
