"""The gateway with a certificate of the hospital's: docker-compose.tls.yml."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx
import pytest

from tests.docker.conftest import compose
from tests.service.certificates import certificate_for

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

USER_ID = 10001
TLS = "docker-compose.tls.yml"


def test_the_composed_gateway_speaks_tls_alone(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = certificate_for("localhost", tmp_path)
    made.key.chmod(0o400)
    os.chown(made.key, USER_ID, USER_ID)
    monkeypatch.setenv("CDMT_TLS_CERT", str(made.certificate))
    monkeypatch.setenv("CDMT_TLS_KEY", str(made.key))
    try:
        up = compose("up", "--detach", "--wait", "--no-build", port=port, override=TLS)  # healthy: by TLS, too
        assert up.returncode == 0, up.stderr
        with httpx.Client(verify=ssl.create_default_context(cafile=made.certificate), trust_env=False) as client:
            assert client.get(f"https://localhost:{port}/readyz").is_success
            with pytest.raises(httpx.TransportError):
                client.get(f"http://localhost:{port}/readyz")
    finally:
        back = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert back.returncode == 0, back.stderr
