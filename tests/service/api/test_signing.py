from __future__ import annotations

import base64
from pathlib import Path

import pytest

from service.api.signing import WebhookSecret, read_webhook_secret
from service.contracts.errors import BadKeyFile

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_that_of_the_specifications_example(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    secret = read_webhook_secret(tmp_path / "secret")
    assert secret is not None
    body = b'{"test": 2432232314}'
    assert secret.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_no_file_no_secret() -> None:
    assert read_webhook_secret(None) is None


def encoded(n_bytes: int) -> str:
    return base64.b64encode(bytes(range(n_bytes))).decode()


@pytest.mark.parametrize(
    "text", ["", "whsec_", encoded(32), f"whsec_{encoded(23)}", f"whsec_{encoded(65)}", "whsec_!!!!", "whsec_ä" * 9]
)
def test_what_is_no_secret_is_refused_unquoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(text)
    with pytest.raises(BadKeyFile, match="CDMT_WEBHOOK_SECRET_FILE") as caught:
        read_webhook_secret(tmp_path / "secret")
    assert encoded(23)[:20] not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="No such file"):
        read_webhook_secret(tmp_path / "secret")


def test_the_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(WebhookSecret(b"hunter2"))
