"""Who may do what in Redis: the users that docker/redis.acl describes, on a real server."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry as ClientRetry
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.job import Job, JobStatus

from service.connection import connect
from service.contracts import live
from service.contracts.figures import Figures, GpuMemory, Vitals
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import SERIALIZER, queue_name
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.jobs import JobQueue
from service.reconciler import Reconciler
from service.secrets import PASSWORDS, main, render_users
from service.valkey import find_server, wait_until_ready
from service.workload import backlog
from tests.service.queueing import drawn, generate, start_in_rq

RULES = Path(__file__).parents[2] / "docker" / "redis.acl"
NO_RETRY = ClientRetry(NoBackoff(), 0)
EMPTY_SHA256 = sha256(b"").hexdigest()


def make(into: Path, *options: str) -> dict[str, str]:
    """The passwords by user, after the program has been run once more."""
    for role in ("gateway", "worker", "redis"):
        (into / role).mkdir(exist_ok=True)
    assert main(["--rules", str(RULES), "--into", str(into), *options]) == 0
    return {user: (into / name).read_text() for user, name in PASSWORDS.items()}


def test_every_role_has_a_long_password_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert len(set(made.values())) == len(made) == 3
    assert min(map(len, made.values())) >= 43
    assert make(tmp_path) == made
    renewed = make(tmp_path, "--renew")
    assert set(renewed.values()).isdisjoint(made.values())


def test_what_a_crash_left_empty_is_made_anew(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "worker" / "redis").chmod(0o600)
    (tmp_path / "worker" / "redis").write_text("")
    assert len(make(tmp_path)["worker"]) >= 43
    assert EMPTY_SHA256 not in (tmp_path / "redis" / "users.acl").read_text()


def test_no_password_lies_where_another_role_looks(tmp_path: Path) -> None:
    made = make(tmp_path)
    for file in (file for file in tmp_path.rglob("*") if file.is_file()):
        found = {user for user, password in made.items() if password in file.read_text()}
        assert found == {user for user, name in PASSWORDS.items() if file == tmp_path / name}
        mode = stat.S_IMODE(file.stat().st_mode)
        assert mode == (0o444 if file.parent.name == "redis" else 0o400), file


def test_comments_and_line_breaks_of_the_rules_are_for_us_alone() -> None:
    rules = "# who\nuser default off\n\nuser one on  # the first\n  ~a:*\n  +get +set\n"
    expected = f"user default off\nuser one #{sha256(b'secret').hexdigest()} on ~a:* +get +set\n"
    assert render_users(rules, {"one": "secret"}) == expected


def test_a_user_that_is_on_needs_a_password() -> None:
    with pytest.raises(ValueError, match="'two'"):
        render_users("user two on +@all", {"one": "secret"})


class Server:
    """A server with our users, and one of the tests' that may do everything."""

    def __init__(self, folder: Path) -> None:
        self.passwords = make(folder)
        self.socket = folder / "s"
        users = folder / "redis" / "users.acl"
        users.chmod(0o644)
        users.write_text(users.read_text() + "user tester on nopass ~* &* +@all\n")
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(folder)]
        command = [str(find_server()), *options, "--aclfile", str(users)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until_ready(f"unix://tester:any@{quote(str(self.socket))}", child=self.process)

    def url(self, user: str) -> str:
        """By which the user connects."""
        return f"unix://{user}:{self.passwords.get(user, 'any')}@{quote(str(self.socket))}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="acl-") as folder:
        running = Server(Path(folder))
        with running.process:
            yield running
            running.process.terminate()


@pytest.fixture
def refused(server: Server) -> Iterator[Callable[[], list[str]]]:
    """What the server has refused since the test began."""
    with Redis.from_url(server.url("tester")) as tester:
        tester.flushall()
        tester.acl_log_reset()

        def since() -> list[str]:
            entries = tester.acl_log()
            told = [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in entries]
            return [line for line in told if not line.endswith("client|setinfo")]  # the library's name and version

        yield since


def test_nobody_comes_in_without_a_password_or_with_another_s(server: Server) -> None:
    for user, password in [
        (None, None), ("default", ""), ("gateway", ""), ("gateway", server.passwords["worker"]), ("nobody", "x")
    ]:  # fmt: skip
        stranger = Redis(unix_socket_path=str(server.socket), username=user, password=password, retry=NO_RETRY)
        with stranger, pytest.raises(AuthenticationError):
            stranger.ping()


@pytest.mark.parametrize("user", ["gateway", "worker", "health"])
@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "CONFIG GET *", "CONFIG SET dir /tmp",
        "ACL LIST", "ACL SETUSER default on", "ACL GETUSER gateway", "MODULE LIST", "SHUTDOWN",
        "SAVE", "BGREWRITEAOF", "REPLICAOF NO ONE", "MONITOR", "CLIENT LIST", "CLIENT KILL TYPE normal",
        "SLOWLOG GET", "FUNCTION LIST", "SCRIPT FLUSH", "DUMP rq:queues", "RESTORE rq:queues 0 x", "RENAME rq:queues x",
        "SORT rq:queues", "OBJECT FREQ rq:queues", "PSUBSCRIBE *", "SWAPDB 0 1",
        "GET secret", "SET other:key 1", "DEL other:key", "HGETALL rq:cron_schedulers", "LRANGE rq:queue:other 0 -1",
    ],
)  # fmt: skip
def test_what_no_role_may(server: Server, user: str, command: str) -> None:
    with Redis.from_url(server.url(user)) as connection, pytest.raises(NoPermissionError):
        connection.execute_command(*command.split())


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("gateway", "BLMOVE rq:queue:cdmt-1-train rq:queue:cdmt-1-train:intermediate LEFT RIGHT 1"),  # take a job
        ("gateway", "HSET rq:worker:w state idle"),  # pretend to be a worker
        ("gateway", "SADD rq:workers rq:worker:w"),
        ("gateway", "SUBSCRIBE rq:pubsub:w"),
        ("gateway", "PUBLISH other x"),
        ("gateway", "SET cdmt:1:figures:vitals:w 1"),
        ("worker", "PUBLISH rq:pubsub:w x"),  # stop another worker's job
        ("worker", "SUBSCRIBE other"),
        ("worker", "SET rq:suspended 1"),  # stop all workers
        ("health", "GET rq:queues"),
        ("health", "INFO"),
    ],
)
def test_what_is_another_role_s(server: Server, user: str, command: str) -> None:
    with Redis.from_url(server.url(user)) as connection, pytest.raises(NoPermissionError):
        connection.execute_command(*command.split())


def test_a_script_may_no_more_than_who_runs_it(server: Server) -> None:
    with Redis.from_url(server.url("worker")) as worker:
        for call in ("redis.call('GET', 'other')", "redis.call('FLUSHALL')", "redis.call('KEYS', '*')"):
            with pytest.raises(ResponseError, match=r"[Pp]ermission|can't"):
                worker.eval(f"return {call}", 0)


def test_the_health_check_may_ask(server: Server) -> None:
    with Redis.from_url(server.url("health")) as health:
        assert health.ping()


def test_a_gateway_can_do_what_it_does(
    server: Server, refused: Callable[[], list[str]], settings: Settings, tmp_path: Path
) -> None:
    jobs = JobStore(ArtifactStore(settings.data_dir))
    with connect(server.url("gateway")) as redis:
        queue = JobQueue(redis=redis, jobs=jobs, settings=settings)
        reconciler = Reconciler(queue)
        for number in range(3):
            queue.submit(generate(f"waiting-{number}"))
        assert queue.status(jobs.read("waiting-2")).queue_position == 2
        with Redis.from_url(server.url("worker")) as worker:
            start_in_rq(worker, jobs, "waiting-0", lost=True)  # a worker began it and died
        reconciler.reconcile()
        queue.cancel("waiting-1")
        queue.cancel("waiting-2")
        evaluated = drawn(queue, jobs, redis)
        queue.put(evaluated)
        live.read_progress(redis, "job-1")
        queue.cancel("job-1")
        reconciler.reconcile()
        queue.forget("job-1")
        assert backlog(queue.queues["generate"]).n_jobs >= 0
        assert queue.workers() == {"train": 0, "generate": 0, "evaluate": 0}
        assert queue.figures.totals()
        queue.figures.gpus(["a-worker"])
    assert refused() == []


def test_gateway_and_worker_can_work_together(
    server: Server, refused: Callable[[], list[str]], settings: Settings, tmp_path: Path
) -> None:
    installation = installation_id(ArtifactStore(settings.data_dir).root)
    name = queue_name("generate", installation)
    lost = tmp_path / "lost"
    command = [sys.executable, "-m", "tests.worker.light_worker", server.url("worker"), str(lost), "1", name]
    with connect(server.url("gateway")) as redis, subprocess.Popen(command) as process:
        queue = Queue(name, connection=redis, serializer=SERIALIZER)

        def enqueue(errand: str, *arguments: object, retries: int = 1) -> Job:
            retry = Retry(max=retries, enqueue_at_front=True)
            path = str(tmp_path / errand)
            return queue.enqueue(f"tests.worker.errands.{errand}", path, *arguments, retry=retry, job_timeout=60)

        done, dead, stopped = enqueue("note"), enqueue("die"), enqueue("sleep", 60)
        _until(lambda: done.get_status() == JobStatus.FINISHED)
        _until(lambda: dead.get_status() == JobStatus.FAILED)
        _until(lambda: stopped.get_status() == JobStatus.STARTED)
        send_stop_job_command(redis, stopped.id, SERIALIZER)
        _until(lambda: stopped.get_status() == JobStatus.STOPPED)
        put_down = enqueue("listen")
        _until((tmp_path / "listen").exists)
        process.terminate()
        process.wait(60)
        assert put_down.get_status() == JobStatus.QUEUED
    with Redis.from_url(server.url("worker")) as worker:
        live.write_progress(worker, "job-1", live.WAITING_FOR_EVALUATION)
        assert not live.cancel_requested(worker, "job-1")
        live.clear(worker, "job-1")
        figures = Figures(worker, installation)
        figures.model_taken("warm")
        memory = GpuMemory(allocated=1, reserved=2, total=3)
        figures.vitals_of("w", Vitals(device="H100", resident=1, gpu=memory))
        assert figures.totals().models["warm"] == 1
        assert len(figures.gpus(["w"])) == 1
    assert process.returncode == 0
    assert refused() == []


def _until(what: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
