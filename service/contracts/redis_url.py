"""Where Redis is, with the password that lies in a file of its own: no environment, command line or log shows it."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from service.contracts.errors import BadKeyFile
from service.contracts.key_files import read_key_file
from service.contracts.settings import Settings


def redis_url(settings: Settings) -> str | None:
    """The URL of Redis, the password of CDMT_REDIS_PASSWORD_FILE in it; None where no Redis is named. BadKeyFile.

    The file is read anew each time: who has changed the password restarts gateway and workers, and no more.
    """
    if settings.redis_url is None or settings.redis_password_file is None:
        return settings.redis_url
    parts = urlsplit(settings.redis_url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(_password(settings), safe='')}@{host}").geturl()


def _password(settings: Settings) -> str:
    path = settings.redis_password_file
    assert path is not None
    content = read_key_file(path, setting="CDMT_REDIS_PASSWORD_FILE")
    try:
        password = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise BadKeyFile(f"CDMT_REDIS_PASSWORD_FILE, '{path}': it is no text") from None
    if not password:
        raise BadKeyFile(f"CDMT_REDIS_PASSWORD_FILE, '{path}': it is empty")
    return password
