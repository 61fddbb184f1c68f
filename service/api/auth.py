"""Who may do what nobody else may: the one key of this installation's admin, kept in a file of its own."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from service.contracts.errors import BadKeyFile, Unauthorized

MIN_KEY_LENGTH = 32
KEY = re.compile(rf"[\x21-\x7e]{{{MIN_KEY_LENGTH},4096}}")
WANTED = f"a single line of at least {MIN_KEY_LENGTH} printable ASCII characters without blanks"


@dataclass(frozen=True)
class AdminKey:
    """The digest of the key, which itself is kept nowhere."""

    digest: bytes = field(repr=False)

    def opens(self, token: str) -> bool:
        """Whether `token` is the key; takes the same time whatever it is."""
        return hmac.compare_digest(_digest(token), self.digest)


def read_admin_key(path: Path | None) -> AdminKey | None:
    """The key in a file; None where no file is named: then nobody is an admin. BadKeyFile."""
    if path is None:
        return None
    try:
        text = path.read_bytes().decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it does not hold {WANTED}"
        raise BadKeyFile(f"CDMT_ADMIN_KEY_FILE, '{path}': {reason}") from None
    if not KEY.fullmatch(text):
        raise BadKeyFile(f"CDMT_ADMIN_KEY_FILE, '{path}': it does not hold {WANTED}")
    return AdminKey(_digest(text))


def is_admin(authorization: str, key: AdminKey | None) -> bool:
    """Whether an `Authorization` header holds the key. Unauthorized for a bearer of another one.

    Other schemes are none of our business: a proxy in front may use them.
    """
    scheme, _, token = authorization.strip().partition(" ")
    if key is None or scheme.lower() != "bearer":
        return False
    if not key.opens(token.strip()):
        raise Unauthorized("this key is not the admin's; without a key you are nobody in particular")
    return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
