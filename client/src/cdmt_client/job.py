"""A job of `CohortClient`: what its submissions give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cdmt_client import events, products, waiting
from cdmt_client.display import Shown, shown
from cdmt_client.drivers import Driver
from cdmt_client.effects import Json
from cdmt_client.products import Format, Place
from cdmt_client.records import Event, JobFacts, Report
from cdmt_client.retrying import Retries

if TYPE_CHECKING:
    import pandas as pd


class Job(JobFacts):
    """A job, as of the last look at it. Its methods return it, or what it made."""

    def __init__(self, driver: Driver, retries: Retries, data: Json) -> None:
        self._driver = driver
        self._retries = retries
        self.data = data

    def refresh(self) -> Job:
        """Look again."""
        self.data = self._driver.run(waiting.looked_at(self.id, self._retries))
        return self

    def wait(self, *, timeout: float | None = None, progress: Shown = True) -> Job:
        """Wait until it has succeeded; a restart of the service, for up to 15 minutes, only delays that.

        JobFailed, JobCancelled; Timeout after `timeout` seconds, and the job goes on.
        """
        with shown(progress) as told:
            flow = waiting.ended(self.id, timeout=timeout, seen=self.seen_by(told), retries=self._retries)
            self._driver.run(flow)
        return self

    def events(self) -> Iterator[Event]:
        """What happens to it, as it happens, until it ends; goes on over broken connections without a loss."""
        yield from self._driver.iterate(events.told_events(self.id, retries=self._retries))

    def cancel(self) -> Job:
        """Ask it to stop; Conflict if it has ended otherwise."""
        self.data = self._driver.run(products.cancelled(self.id, self._retries))
        return self

    def delete(self) -> None:
        """Remove it, once it has ended, with its cohort and report."""
        self._driver.run(products.removed(f"/jobs/{self.id}", self._retries))

    def download(
        self,
        path: Place,
        *,
        format: Format | None = None,  # noqa: A002  the word of the API
        override_reason: str | None = None,
        progress: Shown = True,
    ) -> Path:
        """Write the cohort to `path`: Parquet, or CSV if the name ends so. CohortHeld: the privacy gate says no.

        `override_reason` is an admin's, to take it all the same; it is put down for all to see.
        """
        with shown(progress) as told:
            flow = products.cohort_file(
                self.id, path, form=format, reason=override_reason, told=told, retries=self._retries
            )
            return self._driver.run(flow)

    def to_pandas(self, *, override_reason: str | None = None, progress: Shown = True) -> pd.DataFrame:
        """The cohort as a frame: a row per stay and time step."""
        with shown(progress) as told:
            flow = products.cohort_frame(self.id, reason=override_reason, told=told, retries=self._retries)
            return self._driver.run(flow)

    def report(self) -> Report:
        """Its report."""
        return self._driver.run(products.job_report(self.id, self._retries))

    def report_html(self, path: Place) -> Path:
        """Its report as a page that needs nothing else, written to `path`."""
        return self._driver.run(products.job_report_page(self.id, path, self._retries))
