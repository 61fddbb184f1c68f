"""What lies around drawing and training: reading a model, writing Parquet, reporting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from model.bench.plan import Plan
from model.bench.subjects import Product
from model.bench.timing import Contestant
from model.checkpoint import Model, load_model
from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.report import evaluate


def other_contestants(
    stays: Stays, model: Model, plan: Plan, product: Product, *, compute: Compute, folder: Path
) -> list[Contestant]:
    """Each with `stays`, of which there are more than twice `n_reported`; files go into `folder`."""
    n = plan.n_reported
    return [
        Contestant("model_load", "reading the model, choice of engine", _reading(product, compute), 1, "loads"),
        Contestant(
            "parquet_write",
            "writing Parquet",
            _writing(stays, model, product, folder / "cohort.parquet"),
            len(stays),
            "stays",
            basis=f"from {len(stays):,} stays",
        ),
        Contestant(
            "evaluation",
            f"quick report, {n:,} synthetic and {n:,} real stays",
            reporting(stays, model.codec, n),
            1,
            "reports",
            warm=reporting(stays, model.codec, n // 10),
        ),
    ]


def _reading(product: Product, compute: Compute) -> Callable[[], None]:
    return lambda: _forget(load_model(product.folder, compute))


def _writing(stays: Stays, model: Model, product: Product, path: Path) -> Callable[[], None]:
    """Row groups of as many stays as are drawn at a time."""
    size = product.chunk_size(model)
    chunks = [stays.take(slice(first, first + size)) for first in range(0, len(stays), size)]

    def run() -> None:
        layout = model.description.layout
        for _ in product.write(chunks, path, schema=model.schema, layout=layout, metadata={}):
            pass

    return run


def reporting(stays: Stays, codec: Codec, n: int) -> Callable[[], None]:
    """A report on `n` stays against others: `n` as if trained on, a quarter as if put aside."""
    synthetic, train = stays.take(slice(n)), stays.take(slice(n, 2 * n))
    holdout = stays.take(slice(2 * n, 2 * n + max(1, n // 4)))
    return lambda: _forget(evaluate(codec=codec, train=train, holdout=holdout, synthetic=synthetic))


def _forget(result: object) -> None:
    del result
