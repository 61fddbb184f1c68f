"""The same client for asyncio and trio: what `CohortClient` does, awaited."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import httpx

from cdmt_client import products, references, submissions, waiting
from cdmt_client.async_job import AsyncJob
from cdmt_client.display import Shown, shown
from cdmt_client.drivers import AsyncDriver
from cdmt_client.products import Place
from cdmt_client.records import Dataset, JobFacts, Model, Report
from cdmt_client.references import DatasetReference, ModelReference
from cdmt_client.retrying import DEFAULT, Retries
from cdmt_client.settings import settings
from cdmt_client.submissions import LabelRatios
from cdmt_client.tables import Table


class AsyncCohortClient:
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
        self._driver = AsyncDriver(httpx.AsyncClient(**self._settings.http()), httpx.Client(**self._settings.http()))

    async def __aenter__(self) -> AsyncCohortClient:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncCohortClient({self._settings.server!r})"

    async def aclose(self) -> None:
        """Close the connections. Jobs go on."""
        await self._driver.aclose()

    async def upload(
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
            return Dataset(await self._driver.run(flow))

    async def datasets(self) -> list[Dataset]:
        """All datasets, newest first."""
        return [Dataset(data) for data in await self._driver.run(references.all_of("/datasets", self._retries))]

    async def dataset(self, dataset: DatasetReference) -> Dataset:
        """The dataset of this id or name."""
        return Dataset(await self._driver.run(references.dataset(dataset, self._retries)))

    async def delete_dataset(self, dataset: DatasetReference) -> None:
        """Remove a dataset; Conflict while a job uses it. Models trained on it stay."""
        await self._driver.run(products.without_dataset(dataset, self._retries))

    async def models(self) -> list[Model]:
        """All models, newest first."""
        return [Model(data) for data in await self._driver.run(references.all_of("/models", self._retries))]

    async def model(self, model: ModelReference = None) -> Model:
        """The model of this id or name, or that a training has made; without any, the only one that there is."""
        return Model(await self._driver.run(references.model(model, self._retries)))

    async def model_report(self, model: ModelReference = None) -> Report:
        """The report on a model."""
        return await self._driver.run(products.model_report(model, self._retries))

    async def model_report_html(self, model: ModelReference, path: Place) -> Path:
        """The same as a page that needs nothing else, written to `path`."""
        return await self._driver.run(products.model_report_page(model, path, self._retries))

    async def export_model(self, model: ModelReference, path: Place, *, progress: Shown = True) -> Path:
        """Write a model as a zip, for another installation."""
        with shown(progress) as told:
            return await self._driver.run(products.model_archive(model, path, told=told, retries=self._retries))

    async def import_model(self, archive: Place, *, progress: Shown = True) -> Model:
        """Take in such a zip. The model keeps its id."""
        with shown(progress) as told:
            return Model(await self._driver.run(submissions.import_model(archive, told=told, retries=self._retries)))

    async def delete_model(self, model: ModelReference) -> None:
        """Remove a model; Conflict while a job uses it. Cohorts made with it stay."""
        await self._driver.run(products.without_model(model, self._retries))

    async def train(
        self,
        dataset: DatasetReference,
        name: str | None = None,
        *,
        training: Mapping[str, Any] | None = None,
        network: Mapping[str, Any] | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
        **more: Any,  # noqa: ANN401  whatever the service takes
    ) -> AsyncJob:
        """Train a model called `name` (or like the dataset); `training={"max_minutes": 5}` for a short one.

        `more` are further fields of the request (holdout_fraction, preset, webhook); the service chooses
        what is absent.
        """
        request = {"training": training, "network": network, "seed": seed, **more}
        flow = submissions.train(dataset, name, request=request, key=idempotency_key, retries=self._retries)
        return AsyncJob(self._driver, self._retries, await self._driver.run(flow))

    async def generate(
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
    ) -> AsyncJob:
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
        return AsyncJob(self._driver, self._retries, await self._driver.run(flow))

    async def evaluate(
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
    ) -> AsyncJob:
        """Compare synthetic stays with real ones: any table, whoever made it, or the cohort of a generate job."""
        request = {"metrics": metrics, "detail": detail, "seed": seed, **more}
        with shown(progress) as told:
            flow = submissions.evaluate(
                dataset, synthetic, request=request, key=idempotency_key, told=told, retries=self._retries
            )
            return AsyncJob(self._driver, self._retries, await self._driver.run(flow))

    async def job(self, job_id: str) -> AsyncJob:
        """The job of this id."""
        return AsyncJob(self._driver, self._retries, await self._driver.run(waiting.looked_at(job_id, self._retries)))

    async def jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        created_after: datetime | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[AsyncJob]:
        """Your jobs, newest first; asks for more of them as you go on."""
        params = references.filters(status=status, kind=kind, created_after=created_after)
        flow = references.listed("/jobs", self._retries, params=params, limit=limit)
        async with aclosing(self._driver.iterate(flow)) as items:
            async for data in items:
                yield AsyncJob(self._driver, self._retries, data)
