"""The settings of gateway and worker, and the one place that reads the environment."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.spec.privacy import PrivacyThresholds
from service.contracts.keys import Scope

DAY = 24 * 3600
DEFAULT = PrivacyThresholds()
_ROLES = TypeAdapter(dict[Annotated[str, Field(min_length=1)], frozenset[Scope]])


class Settings(BaseSettings):
    """Every setting is an environment variable `CDMT_<NAME>`; an unset or empty one means the default.

    Times are seconds, sizes bytes.
    """

    model_config = SettingsConfigDict(
        env_prefix="CDMT_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,  # it may be the password in redis_url
    )

    # Gateway
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    auth: Literal["keys", "off"] | None = Field(
        None, description="off: nobody is asked who they are, on loopback alone; absent: off there, keys elsewhere"
    )
    tls_cert_file: Path | None = Field(
        None, description="holds the gateway's certificate and those that lead to it, in PEM; then it speaks TLS alone"
    )
    tls_key_file: Path | None = Field(None, description="holds the certificate's private key, in PEM")
    trusted_proxies: str = Field(
        "", description="addresses and networks, by commas, whose X-Forwarded-For and -Proto are believed; empty: none"
    )
    oidc_issuer: str | None = Field(None, description="whose tokens are accepted beside keys; absent: nobody's")
    oidc_audience: str | None = Field(None, description="whom these tokens are for: this service, by its name there")
    oidc_jwks: str | None = Field(None, description="the issuer's public keys: an https:// URL or a file")
    oidc_roles_claim: str = Field("roles", description="that has the roles; a.b is b within a")
    oidc_roles: str = Field("", description="which scopes a role gives: role=read+generate, by commas")
    session_seconds: int = Field(8 * 3600, ge=60, le=30 * DAY, description="of the console, until one logs in again")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    max_body_bytes: int = Field(1 << 20, ge=1024, description="of a JSON body")
    max_upload_bytes: int = Field(2 << 30, ge=1024)
    max_columns: int = Field(100, ge=3)
    max_rows: int = Field(50_000_000, ge=1, description="of an uploaded table")
    max_table_bytes: int = Field(8 << 30, ge=1 << 20, description="of an uploaded table, unpacked in memory")
    max_stays: int = Field(10_000_000, ge=1, description="of one cohort")
    max_queued_jobs: int = Field(10_000, ge=1, description="of one caller, that have not ended")
    max_queued_stays: int = Field(
        100_000_000, ge=1, description="that the jobs of one caller ask for, as long as they have not ended"
    )
    webhook_hosts: str = Field(
        "", description="that jobs may tell of their end: names, or name:port, separated by commas; empty: none"
    )
    webhook_secret_file: Path | None = Field(None, description="holds the secret that webhooks are signed with")
    admin_key_file: Path | None = Field(None, description="holds a key of an admin's, beside those of `cdmt keys`")
    audit_dir: Path | None = Field(None, description="of the audit log; absent: `audit` in the data folder")
    audit_key_file: Path | None = Field(None, description="holds the key that signs the audit log's head")
    audit_max_bytes: int = Field(64 << 20, ge=4096, description="of a file of the audit log, before the next is begun")
    privacy_not_evaluated: Literal["release", "bundled", "hold"] = Field(
        "bundled", description="which cohorts leave untested, because the model's training data are not here"
    )
    reconcile_every_seconds: float = Field(15, gt=0)

    # Shared by gateway and worker
    data_dir: Path = Path("var")
    redis_url: str | None = Field(
        None, validation_alias=AliasChoices("CDMT_REDIS_URL", "REDIS_URL"), description="absent: an embedded Valkey"
    )
    redis_password_file: Path | None = Field(None, description="holds the password that redis_url leaves out")

    encryption_key_file: Path | None = Field(
        None, description="holds the keys that encrypt tables, weights and checkpoints; absent: they are plain"
    )

    # Jobs. Training may be long, but a job without any limit would hide a hang for ever.
    train_timeout_seconds: int = Field(14 * DAY, ge=1)
    generate_timeout_seconds: int = Field(DAY, ge=1)
    evaluate_timeout_seconds: int = Field(DAY, ge=1)
    rq_ttl_seconds: int = Field(7 * DAY, ge=60, description="how long RQ remembers a finished job")
    max_attempts: int = Field(3, ge=1, le=10, description="of a job whose worker crashes")
    retention_seconds: int = Field(
        30 * DAY,
        ge=0,
        le=36_500 * DAY,
        description="how long a job is kept after its end, with its cohort and report; 0: for ever",
    )
    dataset_retention_seconds: int = Field(
        0, ge=0, le=36_500 * DAY, description="how long a dataset is kept after its upload; 0: until it is deleted"
    )
    model_retention_seconds: int = Field(0, ge=0, le=36_500 * DAY, description="the same of a model, but bundled ones")
    cohort_retention_seconds: int = Field(
        0, ge=0, le=36_500 * DAY, description="how long a cohort is kept once drawn; 0: as long as its job"
    )
    lease_seconds: int = Field(60, ge=1, description="after which a silent worker's job is given to another")
    cancel_grace_seconds: float = Field(10, ge=0, description="before a cancelled job is stopped by force")
    staging_max_age_seconds: int = Field(60, ge=60, description="after which leftovers in staging are swept away")

    # The privacy gate: what each threshold is, and why it is what it is, says model/spec/privacy.py
    privacy_copies: float = DEFAULT.copies
    privacy_near_copies: float = DEFAULT.near_copies
    privacy_dcr_share: float = DEFAULT.dcr_share
    privacy_dcr_tail_share: float = DEFAULT.dcr_tail_share
    privacy_nnaa_loss: float = DEFAULT.nnaa_loss
    privacy_membership_auc: float = DEFAULT.membership_auc
    privacy_membership_excess: float = DEFAULT.membership_excess
    privacy_attribute_gain: float = DEFAULT.attribute_gain

    # Worker
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(None, ge=1, le=1024, description="of torch on a CPU; absent: half of the cores")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    engine: Literal["auto", "reference"] = Field(
        "auto", description="evaluates the network when stays are drawn: the fastest that is exact, or torch's own GRU"
    )
    chunk_size: int | None = Field(None, ge=1, description="stays sampled at a time; absent: by device")
    train_workers: int = Field(1, ge=1, le=64, description="that `cdmt serve` starts; then set CDMT_THREADS, too")
    generate_workers: int = Field(1, ge=1, le=64)
    evaluate_workers: int = Field(1, ge=1, le=64)
    jobs_per_process: int = Field(
        1000, ge=1, description="after which a worker's process is replaced, lest what it leaks add up"
    )
    model_cache_size: int = Field(2, ge=1, description="models kept loaded")
    checkpoint_every_seconds: float = Field(60, gt=0, description="between two checkpoints of a training")

    @field_validator("redis_url")
    @classmethod
    def _is_url_of_redis(cls, url: str | None) -> str | None:
        if not (url is None or is_url_of_redis(url)):
            raise ValueError("not redis://, rediss:// or unix:// and an address; / ? # in a password must be quoted")
        return url

    @model_validator(mode="after")
    def _thresholds_are_possible(self) -> Settings:
        try:
            _ = self.privacy_thresholds
        except ValidationError as error:
            wrong = error.errors()[0]
            raise ValueError(f"CDMT_PRIVACY_{str(wrong['loc'][0]).upper()}: {wrong['msg']}") from None
        return self

    @model_validator(mode="after")
    def _strangers_stay_out(self) -> Settings:
        if self.auth == "off" and not is_loopback(self.host):
            raise ValueError(
                f"CDMT_HOST={self.host} is reachable from outside this machine, and CDMT_AUTH=off, which asks nobody "
                "who they are, is for 127.0.0.1 alone: leave CDMT_AUTH out or set it to keys"
            )
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for part in text.split(",") if text.strip() else ():
            try:
                ipaddress.ip_network(part.strip())
            except ValueError:
                raise ValueError("not IP addresses or networks, separated by commas") from None
        return text

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> Settings:
        given = [bool(value) for value in (self.oidc_issuer, self.oidc_audience, self.oidc_jwks, self.oidc_roles)]
        if any(given) and not all(given):
            raise ValueError("CDMT_OIDC_ISSUER, _AUDIENCE, _JWKS and _ROLES belong together: all of them or none")
        if self.oidc_jwks is not None and not _is_authentic(self.oidc_jwks):
            raise ValueError("CDMT_OIDC_JWKS: https:// is needed, except to this machine itself")
        try:
            _ = self.scopes_by_role
        except ValidationError:
            raise ValueError("CDMT_OIDC_ROLES: role=scope+scope, separated by commas, is needed") from None
        return self

    @model_validator(mode="after")
    def _password_is_given_once(self) -> Settings:
        if self.redis_password_file is None:
            return self
        if self.redis_url is None:
            raise ValueError("CDMT_REDIS_PASSWORD_FILE needs CDMT_REDIS_URL: there is no Redis to use it for")
        if urlsplit(self.redis_url).password is not None:
            raise ValueError("CDMT_REDIS_URL holds a password, and CDMT_REDIS_PASSWORD_FILE names another: drop one")
        return self

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Settings:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("CDMT_TLS_CERT_FILE and CDMT_TLS_KEY_FILE need each other")
        return self

    @model_validator(mode="after")
    def _webhooks_are_signed(self) -> Settings:
        if self.allowed_webhook_hosts and self.webhook_secret_file is None:
            raise ValueError("CDMT_WEBHOOK_HOSTS needs CDMT_WEBHOOK_SECRET_FILE: webhooks are signed")
        return self

    @property
    def is_auth_off(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.auth == "off" or (self.auth is None and is_loopback(self.host))

    @property
    def scopes_by_role(self) -> dict[str, frozenset[Scope]]:
        """Which scopes the roles of the identity provider give."""
        pairs = (entry.strip().rpartition("=") for entry in self.oidc_roles.split(",") if entry.strip())
        return _ROLES.validate_python({role.strip(): scopes.split("+") for role, _, scopes in pairs})

    @property
    def allowed_webhook_hosts(self) -> frozenset[str]:
        """The hosts, some with a port, that webhooks may go to."""
        return frozenset(host.strip().lower() for host in self.webhook_hosts.split(",") if host.strip())

    @property
    def audit_folder(self) -> Path:
        """Where the audit log lies."""
        return self.audit_dir or self.data_dir / "audit"

    @property
    def worker_threads(self) -> int:
        """Threads of torch in a worker: by default half of the cores, so that two workers do not disturb each other."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // 2)

    @property
    def privacy_thresholds(self) -> PrivacyThresholds:
        """The thresholds of the privacy gate."""
        return PrivacyThresholds(**{name: getattr(self, f"privacy_{name}") for name in PrivacyThresholds.model_fields})

    def n_workers(self, kind: Literal["train", "generate", "evaluate"]) -> int:
        """How many workers `cdmt serve` starts for a kind of job."""
        return {"train": self.train_workers, "generate": self.generate_workers, "evaluate": self.evaluate_workers}[kind]

    def timeout_seconds(self, kind: Literal["train", "generate", "evaluate"]) -> int:
        """How long one attempt at a job of this kind may take."""
        return {
            "train": self.train_timeout_seconds,
            "generate": self.generate_timeout_seconds,
            "evaluate": self.evaluate_timeout_seconds,
        }[kind]


def _is_authentic(source: str) -> bool:
    """Whether what is read from a file or a URL comes from whom it should."""
    if "://" not in source:
        return True
    try:
        parts = urlsplit(source)
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        return False


def is_url_of_redis(url: str) -> bool:
    """Whether redis-py can read a URL. If it cannot, its complaint may quote a part of the password."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"redis", "rediss", "unix"} and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def explain(error: ValidationError) -> str:
    """What is wrong with the settings, in one line: variables and rules, no value, which may be a password."""
    return "; ".join(_told(detail) for detail in error.errors())


def _told(error: ErrorDetails) -> str:
    """The variable at fault, if it is one, and what is wrong with it; not its value, which may be a password."""
    message = error["msg"].removeprefix("Value error, ")
    return f"CDMT_{str(error['loc'][0]).upper().removeprefix('CDMT_')}: {message}" if error["loc"] else message


def is_loopback(host: str) -> bool:
    """Whether an address to bind to is reached from this machine only. A name other than localhost is not trusted."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
