"""Whether the gateway that listens here can work: `python -m service.health`, for the health check of its container."""

from __future__ import annotations

import http.client
import ssl
import sys

from service.contracts.settings import Settings

TIMEOUT_SECONDS = 4


def main() -> int:
    """Status 0 if the gateway says that it is ready; else 1, and what it says is missing."""
    connection = _connection(Settings())
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        told = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return _unwell(f"no answer: {error}")
    finally:
        connection.close()
    return 0 if answer.status == http.client.OK else _unwell(told)


def _connection(settings: Settings) -> http.client.HTTPConnection:
    """To the loopback address, where also a gateway that listens everywhere is reached."""
    host = settings.host if settings.host in {"localhost", "127.0.0.1", "::1"} else "127.0.0.1"
    if settings.tls_cert_file is None:
        return http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate is for the name by which others reach us
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, settings.port, timeout=TIMEOUT_SECONDS, context=context)


def _unwell(reason: str) -> int:
    sys.stdout.write(f"{reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
