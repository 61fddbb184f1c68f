"""The commands that start the service, whole or in parts."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from service import process
from service.cli import demonstration, stack
from service.cli.show import err, notice
from service.contracts.jobs import JobKind
from service.contracts.keys import ApiKeys
from service.contracts.settings import Settings
from service.process import LaunchError

Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where models run (default: CDMT_DEVICE, or auto).")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Where datasets, models and cohorts are kept (default: CDMT_DATA_DIR, or ./var).")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (default: CDMT_HOST, or 127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one (default: CDMT_PORT, or 8000).")]


def serve(*, host: Host = None, port: Port = None, data_dir: DataDir = None, device: Device = None) -> None:
    """Run the whole service until Ctrl-C: gateway, workers, and a Valkey unless REDIS_URL names one.

    A process that ends unexpectedly is started again. Data stay in the data directory.
    """
    chosen = settings(host=host, port=port, data_dir=data_dir, device=device)
    stack.serve(chosen, notice=notice, ready=partial(_announce, chosen))


def gateway(*, host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run the gateway alone: the REST API. Needs a Redis (REDIS_URL), and a worker somewhere to do the jobs."""
    chosen = settings(host=host, port=port, data_dir=data_dir)
    _require_redis(chosen)
    _become("service", chosen)


def worker(
    *,
    queue: Annotated[JobKind, typer.Option(help="The kind of job to take.")],
    data_dir: DataDir = None,
    device: Device = None,
) -> None:
    """Run one worker, which does the jobs of one kind. Needs the Redis (REDIS_URL) and data directory of a gateway."""
    chosen = settings(data_dir=data_dir, device=device)
    _require_redis(chosen)
    _become("worker", chosen, "--queue", queue)


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the cohort and its report.")] = Path("demo-output"),
    stays: Annotated[int, typer.Option(min=1, max=100_000, help="How many stays to generate.")] = 1000,
) -> None:
    """Start the service on a free port, generate stays with balanced labels from the bundled model, and stop it."""
    # Its data are open, and it is reached from this machine alone: it asks nobody who they are.
    demonstration.run(Settings(host="127.0.0.1", port=0, auth="off"), out=out, n_stays=stays)


def settings(**overrides: object) -> Settings:
    """The settings of the environment, with those that were given on the command line."""
    return Settings.model_validate({name: value for name, value in overrides.items() if value is not None})


def _announce(chosen: Settings, running: stack.Stack) -> None:
    err.print(f"Ready: {running.url}  (its API: {running.url}/docs; Ctrl-C stops it)", style="bold green")
    if not chosen.is_auth_off and not ApiKeys(chosen.data_dir).are_any():
        notice("Nobody can log in without a key. To make the first one: cdmt keys create <name> --scope admin")


def _require_redis(chosen: Settings) -> None:
    if chosen.redis_url is None:
        raise LaunchError(
            "set REDIS_URL to the Redis that gateway and workers share, or run `cdmt serve` for all in one"
        )


def _become(module: str, chosen: Settings, *arguments: str) -> NoReturn:
    """Replace this process by `python -m module`, so that signals and the exit status are the module's own."""
    process.become((sys.executable, "-m", module, *arguments), env=stack.environment(chosen))
