"""What somebody who got into one of the containers cannot do from there."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.docker.conftest import compose, redis, run_in

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

OURS = ("gateway", "worker-train", "worker-generate", "worker-evaluate")
LONG_RUNNING = (*OURS, "redis")
ROLES = ("gateway", "worker-generate")


def inspect(service: str, *, port: int) -> dict[str, Any]:
    container = compose("ps", "--all", "--quiet", service, port=port).stdout.split()[0]
    shown = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
    (found,) = json.loads(shown.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_nothing_can_be_written_but_data_and_a_scratch_folder_of_which_nothing_is_run(service: str, port: int) -> None:
    for folder in ("/", "/app", "/etc", "/usr/local/bin", "/var/tmp"):
        assert run_in(service, "sh", "-c", f": >{folder}/x", port=port).returncode != 0, folder
    assert run_in(service, "sh", "-c", ": >/data/x && rm /data/x && : >/tmp/x", port=port).returncode == 0
    plant = "cp /bin/true /tmp/planted && chmod +x /tmp/planted && /tmp/planted"
    assert "Permission denied" in run_in(service, "sh", "-c", plant, port=port).stderr


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_process_has_no_privilege_and_can_get_none(service: str, port: int) -> None:
    status = run_in(service, "cat", "/proc/self/status", port=port).stdout
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in facts["Uid"].split()
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_memory_and_processes_are_limited_and_logs_are_rotated(service: str, port: int) -> None:
    host = inspect(service, port=port)["HostConfig"]
    assert 0 < host["Memory"] <= 8 << 30
    assert 0 < host["PidsLimit"] <= 512
    assert host["LogConfig"]["Config"]["max-size"] == "10m"


@pytest.mark.parametrize("service", ["secrets", *LONG_RUNNING])
def test_no_password_is_in_the_environment_or_on_a_command_line(service: str, port: int) -> None:
    passwords = {
        run_in("gateway", "cat", "/secrets/gateway/redis", port=port).stdout,
        run_in("worker-generate", "cat", "/secrets/worker/redis", port=port).stdout,
        run_in("redis", "cat", "/secrets/redis/health", port=port).stdout,
    }
    assert min(map(len, passwords)) >= 43
    assert len(passwords) == 3
    shown = json.dumps(inspect(service, port=port))
    if service != "secrets":
        shown += run_in(
            service, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null", port=port
        ).stdout
    assert not [password for password in passwords if password in shown]


@pytest.mark.parametrize(
    ("service", "file"),
    [
        ("gateway", "/secrets/worker/redis"),
        ("gateway", "/secrets/redis/users.acl"),
        ("worker-generate", "/secrets/gateway/redis"),
        ("redis", "/secrets/gateway/redis"),
    ],
)
def test_nobody_reads_another_s_secrets(service: str, file: str, port: int) -> None:
    assert "No such file" in run_in(service, "cat", file, port=port).stderr


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_nobody_changes_even_the_own_secrets(service: str, port: int) -> None:
    attempt = "for f in /secrets/*/*; do : >$f || exit 1; done"
    assert run_in(service, "sh", "-c", attempt, port=port).returncode != 0


@pytest.mark.parametrize("service", ROLES)
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST", "MONITOR", "SHUTDOWN", "GET other", "SET other:key 1"],
)
def test_a_role_s_user_of_redis_is_refused_what_it_does_not_need(service: str, command: str, port: int) -> None:
    assert "ermission" in redis(service, *command.split(), port=port)


def test_only_a_worker_takes_jobs_and_only_a_gateway_stops_them(port: int) -> None:
    take = ["LMOVE", "rq:queue:cdmt-1-train", "rq:queue:cdmt-1-train:intermediate", "LEFT", "RIGHT"]
    assert "ermission" in redis("gateway", *take, port=port)
    assert "None" in redis("worker-generate", *take, port=port)
    assert "ermission" in redis("worker-generate", "PUBLISH", "rq:pubsub:w", "x", port=port)
    assert "0" in redis("gateway", "PUBLISH", "rq:pubsub:w", "x", port=port)


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "redis://default:@redis:6379/0", "redis://gateway:x@redis"])
def test_without_its_password_nobody_gets_into_redis(url: str, port: int) -> None:
    answer = redis("worker-generate", "PING", url=repr(url), port=port)
    assert "PONG" not in answer
    assert "True" not in answer
    assert "uthentication" in answer or "WRONGPASS" in answer or "invalid username" in answer


def test_redis_is_not_on_the_network_that_leads_outside(port: int) -> None:
    networks = {service: set(inspect(service, port=port)["NetworkSettings"]["Networks"]) for service in LONG_RUNNING}
    outside = {service for service, names in networks.items() if any(name.endswith("_outside") for name in names)}
    assert outside == {"gateway"}
    published = {
        service for service in LONG_RUNNING if any(inspect(service, port=port)["NetworkSettings"]["Ports"].values())
    }
    assert published == {"gateway"}


def test_the_network_of_all_others_is_one_that_the_engine_lets_nobody_leave(port: int) -> None:
    (name,) = inspect("redis", port=port)["NetworkSettings"]["Networks"]
    shown = subprocess.run(["docker", "network", "inspect", name], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)[0]["Internal"] is True


@pytest.mark.parametrize(("service", "has_torch"), [("gateway", False), ("worker-generate", True)])
def test_an_image_lists_its_parts(service: str, has_torch: bool, port: int) -> None:
    parts = json.loads(run_in(service, "cat", "/app/sbom.cdx.json", port=port).stdout)
    names = {part["name"] for part in parts["components"]}
    assert (parts["bomFormat"], parts["metadata"]["component"]["name"]) == ("CycloneDX", "cdmt-ehr")
    assert {"redis", "rq", "pydantic", "pyarrow"} <= names
    assert ("torch" in names) is has_torch
    assert names.isdisjoint({"pip", "cyclonedx-bom", "pytest"})


def test_passwords_can_be_renewed(port: int) -> None:
    before = run_in("gateway", "cat", "/secrets/gateway/redis", port=port).stdout
    renewed = compose("run", "--rm", "secrets", "python3", "-m", "service.secrets", "--renew", port=port)
    assert renewed.returncode == 0, renewed.stderr
    assert compose("restart", *LONG_RUNNING, port=port).returncode == 0
    up = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert up.returncode == 0, up.stderr
    assert len(before) >= 43
    assert run_in("gateway", "cat", "/secrets/gateway/redis", port=port).stdout != before
    answer = redis("gateway", "PING", url=repr(f"redis://gateway:{before}@redis"), port=port)
    assert "uthentication" in answer or "WRONGPASS" in answer or "invalid username" in answer


def test_more_workers_of_a_kind_can_be_had(port: int) -> None:
    scaled = compose("up", "--detach", "--wait", "--no-build", "--scale", "worker-generate=2", port=port)
    assert scaled.returncode == 0, scaled.stderr
    health = run_in("gateway", "python3", "-m", "service.health", port=port)
    assert health.returncode == 0, health.stdout
    containers = compose("ps", "--quiet", "worker-generate", port=port).stdout.split()
    assert len(containers) == 2
    assert compose("up", "--detach", "--wait", "--no-build", port=port).returncode == 0
