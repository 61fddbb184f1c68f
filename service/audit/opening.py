"""The audit log that the settings name, and who is its caller on the command line."""

from __future__ import annotations

import os
import pwd

from service.audit.head import read_key
from service.audit.log import AuditLog
from service.contracts.installation import installation_id
from service.contracts.settings import Settings


def open_audit(settings: Settings) -> AuditLog:
    """The log of this installation, whose data folder must be there. BadKeyFile, BadInstallation."""
    return AuditLog(
        settings.audit_folder,
        installation=installation_id(settings.data_dir.absolute()),
        key=read_key(settings.audit_key_file),
        max_bytes=settings.audit_max_bytes,
    )


def local_caller() -> str:
    """Who runs this process: `local:<name>`, or the number where the machine, such as a container, has no name."""
    try:
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"local:{os.getuid()}"
