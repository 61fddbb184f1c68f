"""The client: `CohortClient`, and the `Job` that its submissions give."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx

from cdmt_client import events, products, references, submissions, waiting
from cdmt_client.display import Shown, shown
from cdmt_client.drivers import Driver
from cdmt_client.effects import Json
from cdmt_client.products import Format, Place
from cdmt_client.records import Dataset, Event, JobFacts, Model, Report
from cdmt_client.references import DatasetReference, ModelReference
from cdmt_client.retrying import DEFAULT, Retries
from cdmt_client.settings import settings
from cdmt_client.submissions import LabelRatios
from cdmt_client.tables import Table

if TYPE_CHECKING:
    import pandas as pd


class CohortClient:
    """A connection to the service. Use it as a context manager, or `close` it.

    `server`, `api_key` and `api_key_file` default to CDMT_SERVER, CDMT_API_KEY and CDMT_API_KEY_FILE; `verify` is
    whether to check the server's certificate, or the file with the authorities to check it by (CDMT_CA_FILE);
    `timeout` are the seconds to wait for a connection or for the next byte.

    Every method raises errors of `cdmt_client.errors`, and tries again by itself as `retries` say.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        api_key: str | None = None,
        api_key_file: Place | None = None,
        verify: bool | Place | ssl.SSLContext = True,
        timeout: float = 60,
        retries: Retries = DEFAULT,
    ) -> None:
        self._settings = settings(
            server, api_key=api_key, api_key_file=api_key_file, verify=verify, timeout=timeout, retries=retries
        )
        self._retries = retries
        self._driver = Driver(httpx.Client(**self._settings.http()))

    def __enter__(self) -> CohortClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CohortClient({self._settings.server!r})"

    def close(self) -> None:
        """Close the connections. Jobs go on."""
        self._driver.http.close()

    def upload(
        self,
        table: Table,
        *,
        name: str | None = None,
        schema: Mapping[str, Any] | None = None,
        progress: Shown = True,
    ) -> Dataset:
        """Store a table of real stays: a Parquet or CSV file, or a frame; a row per stay and time step.

        Without a `schema` the service infers one; look at `dataset.schema`.
        """
        with shown(progress) as told:
            flow = submissions.upload(table, name=name, schema=schema, told=told, retries=self._retries)
            return Dataset(self._driver.run(flow))

    def datasets(self) -> list[Dataset]:
        """All datasets, newest first."""
        return [Dataset(data) for data in self._driver.run(references.all_of("/datasets", self._retries))]

    def dataset(self, dataset: DatasetReference) -> Dataset:
        """The dataset of this id or name."""
        return Dataset(self._driver.run(references.dataset(dataset, self._retries)))

    def delete_dataset(self, dataset: DatasetReference) -> None:
        """Remove a dataset; Conflict while a job uses it. Models trained on it stay."""
        self._driver.run(products.without_dataset(dataset, self._retries))

    def models(self) -> list[Model]:
        """All models, newest first."""
        return [Model(data) for data in self._driver.run(references.all_of("/models", self._retries))]

    def model(self, model: ModelReference = None) -> Model:
        """The model of this id or name, or that a training has made; without any, the only one that there is."""
        return Model(self._driver.run(references.model(model, self._retries)))

    def model_report(self, model: ModelReference = None) -> Report:
        """The report on a model."""
        return self._driver.run(products.model_report(model, self._retries))

    def model_report_html(self, model: ModelReference, path: Place) -> Path:
        """The same as a page that needs nothing else, written to `path`."""
        return self._driver.run(products.model_report_page(model, path, self._retries))

    def export_model(self, model: ModelReference, path: Place, *, progress: Shown = True) -> Path:
        """Write a model as a zip, for another installation."""
        with shown(progress) as told:
            return self._driver.run(products.model_archive(model, path, told=told, retries=self._retries))

    def import_model(self, archive: Place, *, progress: Shown = True) -> Model:
        """Take in such a zip. The model keeps its id."""
        with shown(progress) as told:
            return Model(self._driver.run(submissions.import_model(archive, told=told, retries=self._retries)))

    def delete_model(self, model: ModelReference) -> None:
        """Remove a model; Conflict while a job uses it. Cohorts made with it stay."""
        self._driver.run(products.without_model(model, self._retries))

    def train(
        self,
        dataset: DatasetReference,
        name: str | None = None,
        *,
        training: Mapping[str, Any] | None = None,
        network: Mapping[str, Any] | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
        **more: Any,  # noqa: ANN401  whatever the service takes
    ) -> Job:
        """Train a model called `name` (or like the dataset); `training={"max_minutes": 5}` for a short one.

        `more` are further fields of the request (holdout_fraction, preset, webhook); the service chooses
        what is absent.
        """
        request = {"training": training, "network": network, "seed": seed, **more}
        flow = submissions.train(dataset, name, request=request, key=idempotency_key, retries=self._retries)
        return Job(self._driver, self._retries, self._driver.run(flow))

    def generate(
        self,
        model: ModelReference = None,
        *,
        n_stays: int = 1000,
        label_ratios: LabelRatios | None = None,
        sampler: Mapping[str, Any] | None = None,
        evaluate: bool | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
        **more: Any,  # noqa: ANN401  whatever the service takes
    ) -> Job:
        """Draw synthetic stays; `label_ratios={"in_hospital_death": {"1": 0.3, "0": 0.7}}`, absent as in the training.

        `more` are further fields of the request (mode, preset, missing, enforce_rules, detail, webhook); the service
        chooses what is absent.
        """
        request = {
            "n_stays": n_stays,
            "label_ratios": label_ratios,
            "sampler": sampler,
            "evaluate": evaluate,
            "seed": seed,
            **more,
        }
        flow = submissions.generate(model, request=request, key=idempotency_key, retries=self._retries)
        return Job(self._driver, self._retries, self._driver.run(flow))

    def evaluate(
        self,
        dataset: DatasetReference,
        synthetic: Table | JobFacts,
        *,
        metrics: list[str] | None = None,
        detail: Literal["quick", "full"] | None = None,
        seed: int | None = None,
        progress: Shown = True,
        idempotency_key: str | None = None,
        **more: Any,  # noqa: ANN401  whatever the service takes
    ) -> Job:
        """Compare synthetic stays with real ones: any table, whoever made it, or the cohort of a generate job."""
        request = {"metrics": metrics, "detail": detail, "seed": seed, **more}
        with shown(progress) as told:
            flow = submissions.evaluate(
                dataset, synthetic, request=request, key=idempotency_key, told=told, retries=self._retries
            )
            return Job(self._driver, self._retries, self._driver.run(flow))

    def job(self, job_id: str) -> Job:
        """The job of this id."""
        return Job(self._driver, self._retries, self._driver.run(waiting.looked_at(job_id, self._retries)))

    def jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        created_after: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Your jobs, newest first; asks for more of them as you go on."""
        params = references.filters(status=status, kind=kind, created_after=created_after)
        for data in self._driver.iterate(references.listed("/jobs", self._retries, params=params, limit=limit)):
            yield Job(self._driver, self._retries, data)


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
