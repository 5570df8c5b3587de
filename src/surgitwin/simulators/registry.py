"""The simulators: this program's own, and those of other packages by the entry point ``surgitwin.simulators``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.base import Simulator, SimulatorParams

GROUP = "surgitwin.simulators"
AnySimulator = Simulator[Any, Any]


def _own() -> dict[str, type[AnySimulator]]:
    from surgitwin.simulators.aneurysm.simulator import Aneurysm
    from surgitwin.simulators.portal_pressure.simulator import PortalPressure
    from surgitwin.simulators.portal_pressure.transplant import GraftPressure
    from surgitwin.simulators.vessel_flow.simulator import VesselFlow

    return {simulator.name: simulator for simulator in (PortalPressure, GraftPressure, VesselFlow, Aneurysm)}


def simulator_names() -> list[str]:
    """What can be asked for, this program's own first; nothing of other packages is loaded."""
    own = _own()
    return [*own, *sorted({entry.name for entry in entry_points(group=GROUP)} - set(own))]


def simulator_named(name: str) -> AnySimulator:
    """The simulator of this name; another package's is loaded now.

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
        message = tr("There is no simulator “{name}”. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(simulator_names())))
    if len({entry.value for entry in offered}) > 1:
        message = tr("Several packages offer a simulator “{name}” ({values}): remove all but one.")
        raise BadInput(message.format(name=name, values=", ".join(entry.value for entry in offered)))
    return _loaded(offered[0])


def _loaded(entry: EntryPoint) -> AnySimulator:
    try:
        made = entry.load()()
    except Exception as error:  # whatever another package raises when it is loaded
        message = tr("The simulator “{name}” ({value}) cannot be loaded: {reason}. Install its package again.")
        reason = str(error).rstrip(".") or type(error).__name__
        raise BadInput(message.format(name=entry.name, value=entry.value, reason=reason)) from error
    if not isinstance(made, Simulator) or not issubclass(made.Params, SimulatorParams):
        message = tr("“{value}” is no simulator: it must derive from surgitwin.simulators.base.Simulator.")
        raise BadInput(message.format(value=entry.value))
    return made
