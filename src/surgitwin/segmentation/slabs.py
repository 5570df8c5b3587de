"""Work on a volume slab by slab, on several threads: numpy leaves the interpreter free while it computes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from surgitwin.core.progress import Context

Result = TypeVar("Result")


def threads() -> int:
    """How many threads the work uses: the processor's cores, eight at most."""
    return min(os.cpu_count() or 1, 8)


def each_slab(count: int, work: Callable[[slice], Result], ctx: Context, message: str = "") -> list[Result]:
    """Call ``work`` with slices that part ``range(count)``, and return the results in order.

    Raises
    ------
    Cancelled
        Between two slabs, if the user asked for it.
    """
    step = max(1, -(-count // (threads() * 4)))
    parts = [slice(k, min(k + step, count)) for k in range(0, count, step)]

    def run(part: slice) -> Result:
        ctx.check()
        return work(part)

    results: list[Result] = []
    with ThreadPoolExecutor(threads()) as pool:
        for done, result in enumerate(pool.map(run, parts), 1):
            results.append(result)
            ctx.progress(done / len(parts), message)
    return results
