"""What long work sees of the world outside: a place to report progress and a question whether to stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from surgitwin.core.errors import Cancelled

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is: ``fraction`` from 0 to 1, ``None`` while it cannot be known."""

    fraction: float | None
    message: str


class Helper(Protocol):
    """Calls functions in a process of its own; see `surgitwin.jobs.apart`."""

    def call(self, ctx: "Context", function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any: ...


class Context:
    """Handed to every piece of long work; safe to use from its thread.

    Parameters
    ----------
    on_progress
        Called with every report, on the thread of the work.
    on_partial
        Called with every partial result, on the thread of the work.
    helper
        Lent by whoever has a window to keep awake.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        on_partial: Callable[[object], None] | None = None,
        helper: Helper | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._on_partial = on_partial
        self._helper = helper
        self._cancel = threading.Event()
        self._span = (0.0, 1.0)

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Report how far the work is, and stop here if it was cancelled.

        Raises
        ------
        Cancelled
            If `cancel` was called before.
        """
        self.check()
        if self._on_progress is not None:
            if fraction is not None:
                low, high = self._span
                fraction = low + (high - low) * min(max(fraction, 0.0), 1.0)
            self._on_progress(Progress(fraction, message))

    @property
    def watched(self) -> bool:
        """True if somebody listens for partial results; making them is worth the effort then."""
        return self._on_partial is not None

    def partial(self, result: object) -> None:
        """Hand out a part of the result early, such as the first slices of an image; nobody need be listening."""
        self.check()
        if self._on_partial is not None:
            self._on_partial(result)

    def apart(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """``function(*arguments, ctx=...)``: in a process of its own where a window must stay awake, else here.

        Numpy, scipy and plain Python keep Python's lock for as long as many of their calls take; whatever does that to
        a whole image belongs here. Cancelling ends the process at once.

        Parameters
        ----------
        function
            A function at the top of a module, found again by its name: it sees its arguments and nothing else.
        arguments
            What can be pickled. Arrays travel as they lie in memory, so they should be contiguous.

        Raises
        ------
        Cancelled
            If this work was cancelled.
        SurgitwinError
            What the function raised, or that the process was lost.
        """
        self.check()
        if self._helper is None:
            return function(*arguments, ctx=self)
        result: Result = self._helper.call(self, function, arguments)
        return result

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked this work to stop."""
        if self._cancel.is_set():
            raise Cancelled()

    def cancel(self) -> None:
        """Ask the work to stop at its next check; may be called from any thread."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def part(self, start: float, end: float) -> "Context":
        """A context for a part of the work: its 0 to 1 is ``start`` to ``end`` of this one."""
        child = Context(self._on_progress, self._on_partial, self._helper)
        child._cancel = self._cancel
        low, high = self._span
        child._span = (low + (high - low) * start, low + (high - low) * end)
        return child
