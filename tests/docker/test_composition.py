"""What docker-compose.yml and its overrides promise, read from the files: no engine is needed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = ("secrets", "redis", "gateway", "worker-train", "worker-generate", "worker-evaluate")
OURS = tuple(name for name in SERVICES if name != "redis")


def composition(name: str = "docker-compose.yml") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = composition()["services"]
    return found


def dockerfile(name: str) -> str:
    return (ROOT / "docker" / f"{name}.Dockerfile").read_text()


def test_the_services_are_those_that_are_tested_here() -> None:
    assert set(services()) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert not service.get("privileged", False)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] <= 512
    assert re.search(r"\d+[mg]\b", service["mem_limit"])
    assert service["ulimits"]["core"] == 0
    assert all("noexec" in mount and "size=" in mount for mount in service["tmpfs"])
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
    assert service["restart"] == ("no" if name == "secrets" else "unless-stopped")


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_a_value_of_the_environment(name: str) -> None:
    for variable, value in services()[name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY|TOKEN", variable):
            assert variable.endswith("_FILE")
        assert not re.search(r"//[^/]*:[^/]*@", str(value)), variable


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("docker-compose*.yml")))
def test_only_the_gateway_is_published_and_to_this_machine_unless_told_otherwise(name: str) -> None:
    published = {service: made["ports"] for service, made in composition(name)["services"].items() if "ports" in made}
    expected = {"gateway": ["${CDMT_PUBLISH:-127.0.0.1}:${CDMT_PORT:-8000}:8000"]}
    assert published == (expected if name == "docker-compose.yml" else {})


def test_only_the_gateway_has_a_way_out() -> None:
    assert composition()["networks"]["inside"] == {"internal": True}
    outside = [name for name, service in services().items() if "outside" in service.get("networks", [])]
    assert outside == ["gateway"]
    assert services()["secrets"]["network_mode"] == "none"
    assert all(services()[name]["networks"] == ["inside"] for name in SERVICES if name not in {"gateway", "secrets"})


def test_each_role_reads_its_own_secrets_alone_and_writes_none() -> None:
    mounts = {
        name: {mount for mount in service["volumes"] if mount.startswith("secrets-")}
        for name, service in services().items()
    }
    del mounts["secrets"]
    assert mounts.pop("redis") == {"secrets-redis:/secrets/redis:ro"}
    assert mounts.pop("gateway") == {"secrets-gateway:/secrets/gateway:ro"}
    assert set(map(frozenset, mounts.values())) == {frozenset({"secrets-worker:/secrets/worker:ro"})}


def test_redis_keeps_what_it_has_and_lets_in_only_whom_it_knows() -> None:
    command = services()["redis"]["command"]
    for option in (
        "--aclfile /secrets/redis/users.acl",
        "--appendonly yes",
        "--appendfsync everysec",
        "--maxmemory-policy noeviction",
    ):
        assert option in command
    assert "protected-mode no" not in command
    assert "redis:/data" in services()["redis"]["volumes"]
    assert services()["redis"]["image"].endswith("redis:7.2-bookworm}")


def test_the_wait_for_an_end_is_longer_than_what_a_worker_takes_for_it() -> None:
    seconds = re.search(r'"--shutdown-seconds", "(\d+)"', dockerfile("worker"))
    assert seconds is not None
    for name in ("worker-train", "worker-generate", "worker-evaluate"):
        assert int(services()[name]["stop_grace_period"].removesuffix("s")) >= int(seconds[1]) + 10


@pytest.mark.parametrize("name", ["gateway", "worker"])
def test_an_image_has_two_stages_a_pinned_base_labels_a_health_check_and_no_root(name: str) -> None:
    text = dockerfile(name)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall("^FROM (.*)$", text, re.MULTILINE) == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert "ARG PYTHON_IMAGE=python:3.11-slim-bookworm" in text
    assert f"ARG VERSION={version}\n" in text
    assert "\nHEALTHCHECK " in text
    assert re.findall("^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    for label in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in text


def test_every_image_of_ours_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {services()[name]["image"] for name in OURS}
    assert images == {f"cdmt-ehr-{name}:${{CDMT_VERSION:-{version}}}" for name in ("gateway", "worker")}


def test_trainings_and_generations_get_a_gpu_where_one_asks_for_it() -> None:
    gpu = composition("docker-compose.gpu.yml")["services"]
    for name in ("worker-train", "worker-generate"):
        (device,) = gpu[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
        assert gpu[name]["environment"] == {"CDMT_DEVICE": "cuda"}
    assert "deploy" not in gpu["worker-evaluate"]
    assert len({service["image"] for service in gpu.values()}) == 1


def test_who_reads_tables_and_weights_gets_the_keys_that_encrypt_them() -> None:
    keyed = composition("docker-compose.encryption.yml")["services"]
    assert set(keyed) == set(OURS) - {"secrets"}
    for service in keyed.values():
        assert service["environment"] == {"CDMT_ENCRYPTION_KEY_FILE": "/run/secrets/encryption-keys"}
        assert service["secrets"] == ["encryption-keys"]
