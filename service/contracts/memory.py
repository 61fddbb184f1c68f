"""What lies in the memory of a process stays there: patients' values, and the keys to them."""

from __future__ import annotations

import resource


def no_core_dumps() -> None:
    """From now on, neither this process nor one that it starts leaves an image of its memory where it crashes.

    The limit is one byte: unlike none, it holds also where the kernel hands the image to a program (core(5)).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 1 if hard == resource.RLIM_INFINITY else min(1, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, hard))
