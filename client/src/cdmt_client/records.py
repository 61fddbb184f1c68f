"""What the service says of its things, as frozen objects around the JSON that came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cdmt_client import cards
from cdmt_client.effects import Json, Told

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Progress:
    """How far the present step of a job is."""

    step: str
    value: int
    max: int
    eta_seconds: float | None = None

    @classmethod
    def of(cls, data: Json) -> Progress:
        """The progress in an answer, whatever else a newer service says there."""
        return cls(data["step"], data["value"], data["max"], data.get("eta_seconds"))


@dataclass(frozen=True)
class Event:
    """Something happened to a job. `kind`: `state` or `progress`; `data` is the event's JSON."""

    kind: str
    data: Json
    id: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A table of real stays: what is known of it. `data` is all that the service says."""

    data: Json = field(repr=False)

    @property
    def id(self) -> str:
        """By which it can be named."""
        return str(self.data["id"])

    @property
    def name(self) -> str:
        """As its owner calls it; several may have it."""
        return str(self.data["name"])

    @property
    def n_stays(self) -> int:
        """How many stays it has."""
        return int(self.data["n_stays"])

    @property
    def schema(self) -> Json:
        """Its columns, given or inferred."""
        return dict(self.data["schema"])

    @property
    def label_counts(self) -> dict[str, dict[str, int]]:
        """Label -> category -> stays; small counts are rounded."""
        return dict(self.data["label_counts"])

    def __repr__(self) -> str:
        return f"Dataset(id={self.id!r}, name={self.name!r}, n_stays={self.n_stays})"

    def _repr_html_(self) -> str:
        return cards.dataset(self.data)


@dataclass(frozen=True)
class Model:
    """A trained model: how it was made, and how good its report says it is."""

    data: Json = field(repr=False)

    @property
    def id(self) -> str:
        """By which it can be named."""
        return str(self.data["id"])

    @property
    def name(self) -> str:
        """As its maker calls it; several may have it."""
        return str(self.data["name"])

    @property
    def schema(self) -> Json:
        """The columns of its stays."""
        return dict(self.data["schema"])

    @property
    def figures(self) -> dict[str, float | None]:
        """The main figures of its report."""
        return dict(self.data["figures"])

    def __repr__(self) -> str:
        return f"Model(id={self.id!r}, name={self.name!r}, origin={self.data['origin']!r})"

    def _repr_html_(self) -> str:
        return cards.model(self.data)


class Report(dict[str, Any]):
    """A report as its JSON; a notebook shows the verdict and the main figures beside those of real stays."""

    @property
    def privacy(self) -> str:
        """`passed`, `held` or `not_evaluated`."""
        return str(self["privacy"]["status"])

    def figures(self) -> dict[str, tuple[float, float | None]]:
        """Title -> value and what held-out real stays score in its place; those of all stays, if computed."""
        return {cards.title(s): (s["value"], s.get("holdout_value")) for s in cards.main_scores(self)}

    def _repr_html_(self) -> str:
        return cards.report(self)


class JobFacts:
    """What is known of a job, as of the last look at it. `data` is all that the service says."""

    data: Json

    def seen_by(self, told: Told) -> Callable[[Json], None]:
        """What takes in each new look at the job, and tells how far it is."""

        def see(data: Json) -> None:
            self.data = data
            if self.progress is not None and not self.has_ended:
                told(self.progress.step, self.progress.value, self.progress.max)

        return see

    @property
    def id(self) -> str:
        """By which it can be looked up later: `client.job(id)`."""
        return str(self.data["id"])

    @property
    def kind(self) -> str:
        """`train`, `generate` or `evaluate`."""
        return str(self.data["kind"])

    @property
    def status(self) -> str:
        """`queued`, `running`, `cancelling`, `succeeded`, `failed` or `cancelled`."""
        return str(self.data["status"])

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in TERMINAL

    @property
    def progress(self) -> Progress | None:
        """Of its present step."""
        return Progress.of(self.data["progress"]) if self.data.get("progress") else None

    @property
    def queue_position(self) -> int | None:
        """How many jobs go before it."""
        found = self.data.get("queue_position")
        return None if found is None else int(found)

    @property
    def request(self) -> Json:
        """What was asked for, with every default."""
        return dict(self.data["request"])

    @property
    def result(self) -> Json | None:
        """What it produced, once it has succeeded: `label_counts`, `privacy`, `warnings`, ..."""
        return self.data.get("result")

    @property
    def error(self) -> Json | None:
        """Why it failed."""
        return self.data.get("error")

    @property
    def model_id(self) -> str | None:
        """The model that a generation uses or that a training has made."""
        return self.data.get("model_id")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, kind={self.kind!r}, status={self.status!r})"

    def _repr_html_(self) -> str:
        return cards.job(self.data)
