from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from model.spec.privacy import PrivacyThresholds
from service.contracts.settings import Settings, explain, is_loopback


@pytest.fixture(autouse=True)
def _clean_environment(settings: Settings) -> None:
    """`settings` empties the environment of ours."""


def test_every_setting_has_a_default() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.data_dir, settings.redis_url) == (
        "127.0.0.1",
        8000,
        Path("var"),
        None,
    )


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDMT_PORT", "9000")
    monkeypatch.setenv("CDMT_DATA_DIR", "/srv/cdmt")
    monkeypatch.setenv("CDMT_THREADS", "")
    settings = Settings()
    assert (settings.port, settings.data_dir, settings.threads) == (9000, Path("/srv/cdmt"), None)


def test_redis_url_needs_no_prefix_but_the_prefixed_one_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://plain")
    assert Settings().redis_url == "redis://plain"
    monkeypatch.setenv("CDMT_REDIS_URL", "redis://ours")
    assert Settings().redis_url == "redis://ours"
    assert Settings(redis_url="redis://given").redis_url == "redis://given"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.4", "::", "", "icu.example.org"])
def test_at_a_reachable_address_everybody_is_asked_who_they_are(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDMT_TRUST_NETWORK", "true")  # of earlier versions: means nothing any more
    with pytest.raises(ValidationError, match="CDMT_AUTH=off"):
        Settings(host=host, auth="off")
    assert not Settings(host=host).is_auth_off
    assert not Settings(host=host, auth="keys").is_auth_off


def test_on_loopback_nobody_is_asked_unless_somebody_says_so() -> None:
    assert Settings().is_auth_off
    assert Settings(auth="off").is_auth_off
    assert not Settings(auth="keys").is_auth_off


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("name", ["CDMT_AUTH", "CDMT_PORT", "CDMT_LEASE_SECONDS", "CDMT_DEVICE"])
def test_nonsense_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "nonsense")
    with pytest.raises(ValidationError):
        Settings()


def test_a_refused_setting_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDMT_REDIS_URL", "redis://:hunter2@example.org")
    with pytest.raises(ValidationError) as caught:
        Settings(host="0.0.0.0", auth="off")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://:hunter2@host", "redis://:hunter2/2@host", "redis://[hunter2", "hunter2"])
def test_what_is_no_url_of_a_redis_is_refused_unquoted(url: str) -> None:
    with pytest.raises(ValidationError, match="redis://") as caught:
        Settings(redis_url=url)
    assert "hunter2" not in str(caught.value)


def test_every_threshold_of_the_gate_is_a_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().privacy_thresholds == PrivacyThresholds()
    for name in PrivacyThresholds.model_fields:
        monkeypatch.setenv(f"CDMT_PRIVACY_{name.upper()}", "0.75")
    assert set(Settings().privacy_thresholds.model_dump().values()) == {0.75}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CDMT_PRIVACY_DCR_SHARE", "0.4"),
        ("CDMT_PRIVACY_COPIES", "-1"),
        ("CDMT_PRIVACY_NEAR_COPIES", "nan"),
        ("CDMT_PRIVACY_NEAR_COPIES", "many"),
        ("CDMT_PRIVACY_NOT_EVALUATED", "maybe"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert explain(caught.value).startswith(f"{name}: ")


def test_webhooks_need_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().allowed_webhook_hosts == frozenset()
    monkeypatch.setenv("CDMT_WEBHOOK_HOSTS", " Hooks.example.org, 127.0.0.1:9000,")
    with pytest.raises(ValidationError, match="CDMT_WEBHOOK_SECRET_FILE"):
        Settings()
    monkeypatch.setenv("CDMT_WEBHOOK_SECRET_FILE", "/run/secrets/webhook")
    assert Settings().allowed_webhook_hosts == {"hooks.example.org", "127.0.0.1:9000"}


def test_jobs_are_kept_for_a_month_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().retention_seconds == 30 * 24 * 3600
    monkeypatch.setenv("CDMT_RETENTION_SECONDS", "0")
    assert Settings().retention_seconds == 0


OIDC = {
    "oidc_issuer": "https://login.example.org",
    "oidc_audience": "cdmt",
    "oidc_jwks": "https://login.example.org/jwks",
    "oidc_roles": "icu/researcher=read+generate, chief=admin,",
}


def test_an_identity_provider_is_described_as_a_whole() -> None:
    assert Settings().scopes_by_role == {}
    assert Settings.model_validate(OIDC).scopes_by_role == {
        "icu/researcher": {"read", "generate"},
        "chief": {"admin"},
    }
    for name in OIDC:
        with pytest.raises(ValidationError, match="belong together"):
            Settings.model_validate({key: value for key, value in OIDC.items() if key != name})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"oidc_roles": "chief=everything"}, "CDMT_OIDC_ROLES"),
        ({"oidc_roles": "chief"}, "CDMT_OIDC_ROLES"),
        ({"oidc_roles": "=admin"}, "CDMT_OIDC_ROLES"),
        ({"oidc_jwks": "http://login.example.org/jwks"}, "https://"),
        ({"oidc_jwks": "ftp://login.example.org/jwks"}, "https://"),
        ({"oidc_jwks": "http://[::1"}, "https://"),
    ],
)
def test_an_identity_provider_that_cannot_be_trusted(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Settings.model_validate(OIDC | change)


@pytest.mark.parametrize("source", ["/run/secrets/jwks.json", "http://127.0.0.1:8080/jwks"])
def test_keys_may_come_from_a_file_or_from_this_machine(source: str) -> None:
    assert Settings.model_validate(OIDC | {"oidc_jwks": source}).oidc_jwks == source


@pytest.mark.parametrize("text", ["*", "proxy", "10.0.0.0/33", "10.0.0.1,,10.0.0.2"])
def test_only_addresses_are_proxies(text: str) -> None:
    with pytest.raises(ValidationError, match="addresses"):
        Settings(trusted_proxies=text)
    assert Settings(trusted_proxies="10.0.0.5, 172.18.0.0/16,::1").trusted_proxies
