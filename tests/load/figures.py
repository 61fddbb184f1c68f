"""What came of a load, as figures."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

from tests.load.run import Tally, n_cores

MAX_GATEWAY_BYTES = 300_000_000


def figures(tally: Tally) -> dict[str, Any]:
    """The figures as JSON."""
    return {
        "machine": {"cores": n_cores(), "platform": platform.platform(), "python": platform.python_version()},
        "jobs": tally.n_jobs,
        "accepted": len(tally.ids),
        "ends": dict(tally.ends),
        "answers": dict(sorted(tally.statuses.items())),
        "submit_per_second": round(len(tally.submit) / max(tally.submitted_seconds, 1e-9), 1),
        "jobs_per_second": round(tally.n_jobs / max(tally.total_seconds, 1e-9), 1),
        "seconds": round(tally.total_seconds, 1),
        "submit_ms": quantiles(tally.submit),
        "poll_ms": quantiles(tally.poll),
        "listeners": tally.n_listening,
        "streams_ended": tally.n_streams_ended,
        "events": tally.n_events,
        "gateway_peak_mb": round(tally.peak_rss / 1e6, 1),
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum, in milliseconds."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {
        name: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def shortcomings(tally: Tally) -> list[str]:
    """What is not as promised; empty if all is well."""
    found = [f"{n} times {what}" for what, n in tally.statuses.items() if what.split()[1].startswith("5")]
    if len(tally.ids) != tally.n_jobs or tally.ends["succeeded"] != tally.n_jobs:
        found.append(f"{len(tally.ids)} of {tally.n_jobs} jobs were accepted, and ended so: {dict(tally.ends)}")
    if tally.n_streams_ended != tally.n_listening:
        found.append(f"{tally.n_listening - tally.n_streams_ended} streams of events did not end with their job")
    if tally.peak_rss > MAX_GATEWAY_BYTES:
        found.append(f"the gateway took {tally.peak_rss / 1e6:.0f} MB")
    return found
