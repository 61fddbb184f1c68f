"""A job of RQ's that runs one of our tasks, or nothing, whatever somebody has written into Redis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from rq.job import Job

from service.contracts.jobs import TASKS
from service.contracts.transport import without_hooks


class ForeignTask(Exception):
    """A job asks for a function that is none of our tasks."""


class TaskJob(Job):
    """RQ's job would import and call any function that it names, `os.system` too, and hooks at its end."""

    tasks: Collection[str] = frozenset(TASKS.values())

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take over what Redis keeps of the job, less its hooks."""
        super().restore(without_hooks(raw_data))

    @property
    def func(self) -> Callable[..., Any]:
        """The task. ForeignTask if it is none of ours."""
        if self.instance is not None or self.func_name not in self.tasks:
            raise ForeignTask
        return cast(Callable[..., Any], super().func)
