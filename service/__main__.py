"""`python -m service`: the gateway on its own. It needs a Redis; `cdmt serve` brings one along."""

from __future__ import annotations

import socket
import ssl
import sys

import uvicorn
from pydantic import ValidationError

from service.api.app import create_app
from service.api.watch import JobWatch
from service.contracts.data_folder import claim, served_alone
from service.contracts.errors import BadInstallation, BadKeyFile, UnusableFolder
from service.contracts.logs import configure_logs
from service.contracts.memory import no_core_dumps
from service.contracts.redis_url import redis_url
from service.contracts.settings import Settings, explain
from service.patience import MAX_CONNECTIONS, PatientProtocol

GRACE_SECONDS = 10


def main() -> int:
    """Serve until a signal comes; 2 if the settings forbid it."""
    no_core_dumps()
    try:
        settings = Settings()
    except ValidationError as error:
        return _refuse(explain(error))
    try:
        url = redis_url(settings)
        if url is None:
            return _refuse("set CDMT_REDIS_URL (or REDIS_URL); `cdmt serve` brings a Redis of its own")
        check_certificate(settings)
        claim(settings.data_dir)
        with served_alone(settings.data_dir):
            return _serve(settings, url)
    except (BadKeyFile, BadInstallation, UnusableFolder) as error:
        return _refuse(str(error))


def _serve(settings: Settings, url: str) -> int:
    app = create_app(settings, redis_url=url)
    configure_logs(settings.log_level)
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        limit_concurrency=MAX_CONNECTIONS,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, app.state.services.watch)
    server.run()
    return 0 if server.started else 3


def check_certificate(settings: Settings) -> None:
    """BadKeyFile unless the certificate and the key that the settings name, if any, can be used and belong together."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    named = f"CDMT_TLS_CERT_FILE, '{settings.tls_cert_file}', and CDMT_TLS_KEY_FILE, '{settings.tls_key_file}'"
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password=_no_password)
    except ssl.SSLError as error:
        raise BadKeyFile(f"{named}: {error.reason or 'they are not in PEM'}") from None
    except OSError as error:
        raise BadKeyFile(f"{named}: {error.strerror}") from None


def _no_password() -> str:
    """Where a key is encrypted: nobody is there to be asked for its password."""
    raise BadKeyFile("CDMT_TLS_KEY_FILE is encrypted: nobody is there to be asked for its password")


class _Server(uvicorn.Server):
    """Ends the streams of events as soon as it is told to stop: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, watch: JobWatch) -> None:
        super().__init__(config)
        self._watch = watch

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and wait for the answers that are under way."""
        self._watch.close()
        await super().shutdown(sockets)


def _refuse(reason: str) -> int:
    sys.stderr.write(f"the gateway does not start: {reason}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
