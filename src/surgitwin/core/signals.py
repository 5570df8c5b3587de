"""Typed signals without Qt: a listener is a function that takes one event object."""

from collections.abc import Callable
from typing import Generic, TypeVar

Event = TypeVar("Event")


class Signal(Generic[Event]):
    """Calls every connected listener, in the order they connected, on the caller's thread."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    def connect(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Add ``listener`` and return the function that removes it again."""
        self._listeners.append(listener)

        def disconnect() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return disconnect

    def emit(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def __len__(self) -> int:
        return len(self._listeners)
