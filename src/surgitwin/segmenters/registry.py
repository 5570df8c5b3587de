"""The engines: this program's own, and those of other packages by the entry point ``surgitwin.segmenters``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.segmenters.base import Engine

GROUP = "surgitwin.segmenters"


def _own() -> dict[str, type[Engine]]:
    from surgitwin.segmenters.onnx_engine import OnnxEngine
    from surgitwin.segmenters.total_engine import TotalSegmentatorEngine

    return {"onnx": OnnxEngine, "totalsegmentator": TotalSegmentatorEngine}


def engine_names() -> list[str]:
    """What can be asked for, this program's own first; nothing of other packages is loaded."""
    others = sorted({entry.name for entry in entry_points(group=GROUP)} - set(_own()))
    return [*_own(), *others]


def task_names() -> list[str]:
    """The networks that are known by name: the tasks of TotalSegmentator."""
    from surgitwin.segmenters.total_engine import TASKS

    return list(TASKS)


def engine_named(name: str) -> Engine:
    """The engine of this name; another package's is loaded now. It may still not be `Engine.available`.

    Raises
    ------
    BadInput
        If there is none, several packages offer it, or its package does not load.
    """
    own = _own()
    if name in own:
        return own[name]()
    offered = list(entry_points(group=GROUP, name=name))
    if not offered:
        message = tr("There is no engine “{name}” for networks. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(engine_names())))
    if len({entry.value for entry in offered}) > 1:
        message = tr("Several packages offer an engine “{name}” ({values}): remove all but one.")
        raise BadInput(message.format(name=name, values=", ".join(entry.value for entry in offered)))
    return _loaded(offered[0])


def _loaded(entry: EntryPoint) -> Engine:
    try:
        made = entry.load()()
    except Exception as error:  # whatever another package raises when it is loaded
        message = tr("The engine “{name}” ({value}) cannot be loaded: {reason}. Install its package again.")
        reason = str(error).rstrip(".") or type(error).__name__
        raise BadInput(message.format(name=entry.name, value=entry.value, reason=reason)) from error
    if not all(callable(getattr(made, part, None)) for part in ("available", "estimate", "segment")):
        message = tr("“{value}” is no engine for networks: it lacks available, estimate or segment.")
        raise BadInput(message.format(value=entry.value))
    engine: Engine = made
    return engine
