"""Signatures by the Standard Webhooks specification (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from service.contracts.errors import BadKeyFile
from service.contracts.key_files import read_key_file

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
WANTED = f"{PREFIX} and {MIN_BYTES} to {MAX_BYTES} random bytes in base64"


@dataclass(frozen=True)
class WebhookSecret:
    """What we and the receivers of our webhooks know."""

    key: bytes = field(repr=False)

    def headers(self, message_id: str, *, timestamp: int, body: bytes) -> dict[str, str]:
        """By which a receiver knows that a message is ours, whole and new."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        signature = base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{signature}",
        }


def read_webhook_secret(path: Path | None) -> WebhookSecret | None:
    """The secret in a file; None where no file is named: then there are no webhooks. BadKeyFile."""
    if path is None:
        return None
    content = read_key_file(path, setting="CDMT_WEBHOOK_SECRET_FILE")
    try:
        text = content.decode("ascii").strip()
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (UnicodeDecodeError, binascii.Error):
        raise BadKeyFile(f"CDMT_WEBHOOK_SECRET_FILE, '{path}': it does not hold {WANTED}") from None
    if not (text.startswith(PREFIX) and MIN_BYTES <= len(key) <= MAX_BYTES):
        raise BadKeyFile(f"CDMT_WEBHOOK_SECRET_FILE, '{path}': it does not hold {WANTED}")
    return WebhookSecret(key)
