"""A steady network of vessels: elements that lose pressure, and what holds at their open ends.

An element carries the flow Q from its start to its end with the pressure loss ``R Q + S Q|Q|``: R by Poiseuille, S by a
stenosis. Units inside: mmHg and ml/s; any others that fit together work alike. Solved by `steady.solve`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

PA_PER_MMHG = 133.322
ML_PER_M3 = 1e6
S_PER_MIN = 60.0


@dataclass(frozen=True)
class Element:
    """A vessel between two nodes; its flow counts from ``start`` to ``end``.

    Attributes
    ----------
    resistance_mmhg_s_ml
        R of the loss ``R Q + S Q|Q|``; 0 joins the nodes.
    quadratic_mmhg_s2_ml2
        S, of a stenosis.
    """

    name: str
    start: str
    end: str
    resistance_mmhg_s_ml: float
    quadratic_mmhg_s2_ml2: float = 0.0


@dataclass(frozen=True)
class InletFlow:
    """A given flow into the network (negative: out of it)."""

    node: str
    flow_ml_s: float


@dataclass(frozen=True)
class InletPressure:
    """A given pressure where blood comes in."""

    node: str
    pressure_mmhg: float


@dataclass(frozen=True)
class OutletPressure:
    """A given pressure where blood leaves."""

    node: str
    pressure_mmhg: float


@dataclass(frozen=True)
class OutletResistance:
    """A resistance to a distal pressure where blood leaves."""

    node: str
    resistance_mmhg_s_ml: float
    distal_mmhg: float


Boundary = InletFlow | InletPressure | OutletPressure | OutletResistance


def outlet_rcr(node: str, proximal: float, distal: float, distal_mmhg: float) -> OutletResistance:
    """A Windkessel outlet: in the steady state its capacity is full, and its two resistances stand in series."""
    return OutletResistance(node, proximal + distal, distal_mmhg)


def outlet_coronary(node: str, arterial: float, middle: float, venous: float, venous_mmhg: float) -> OutletResistance:
    """A coronary outlet: in the steady state both capacities are full, and the pressure in the muscle has no effect."""
    return OutletResistance(node, arterial + middle + venous, venous_mmhg)


@dataclass(frozen=True)
class Network:
    """Elements and what holds at their open ends.

    Raises
    ------
    BadInput
        On construction: for a value that is impossible, an end where nothing is connected, or a part without an inlet
        or an outlet.
    """

    elements: tuple[Element, ...]
    boundaries: tuple[Boundary, ...]

    def __post_init__(self) -> None:
        if not self.elements:
            raise BadInput(tr("The network has no vessel; it needs at least one."))
        for element in self.elements:
            _check_element(element)
        self._check_names()
        self._check_boundaries()
        self._check_parts()

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The names of all nodes in the order of the elements."""
        return tuple(dict.fromkeys(node for element in self.elements for node in (element.start, element.end)))

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Where in `nodes` a node stands."""
        return {node: row for row, node in enumerate(self.nodes)}

    def _check_names(self) -> None:
        for name, count in Counter(element.name for element in self.elements).items():
            if count > 1:
                raise BadInput(tr("Two vessels are called “{name}”; give each its own name.").format(name=name))

    def _check_boundaries(self) -> None:
        held: set[str] = set()
        for boundary in self.boundaries:
            if boundary.node not in self.row_of:
                message = tr(
                    "A condition is set at “{node}”, where no vessel begins or ends; set it at one of {known}."
                )
                raise BadInput(message.format(node=boundary.node, known=_some(self.nodes)))
            if boundary.node in held:
                message = tr("Two conditions are set at “{node}”; each place takes one.")
                raise BadInput(message.format(node=boundary.node))
            held.add(boundary.node)
            _check_boundary(boundary)
        count = dict.fromkeys(self.nodes, 0)
        for element in self.elements:
            count[element.start] += 1
            count[element.end] += 1
        for element in self.elements:
            for node in (element.start, element.end):
                if count[node] == 1 and node not in held:
                    message = tr(
                        "The vessel “{name}” is open: nothing is connected at its end “{node}”. Give it an inlet, an"
                        " outlet or a vessel that goes on; every free end needs one."
                    )
                    raise BadInput(message.format(name=element.name, node=node))

    def _check_parts(self) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = len(self.nodes)
        start = [self.row_of[element.start] for element in self.elements]
        end = [self.row_of[element.end] for element in self.elements]
        links = coo_array((np.ones(len(start)), (start, end)), shape=(size, size))
        parts, part = connected_components(links, directed=False)
        inlets = {int(part[self.row_of[b.node]]) for b in self.boundaries if isinstance(b, InletFlow | InletPressure)}
        outlets = {
            int(part[self.row_of[b.node]]) for b in self.boundaries if isinstance(b, OutletPressure | OutletResistance)
        }
        for number in range(parts):
            node = self.nodes[int(np.flatnonzero(part == number)[0])]
            if number not in inlets:
                message = tr("The vessels around “{node}” have no root: give an inlet flow or an inlet pressure there.")
                raise BadInput(message.format(node=node))
            if number not in outlets:
                message = tr("The vessels around “{node}” have no outlet; give at least one pressure or resistance.")
                raise BadInput(message.format(node=node))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")


def _check_element(element: Element) -> None:
    for value, unit in (
        (element.resistance_mmhg_s_ml, "mmHg·s/ml"),
        (element.quadratic_mmhg_s2_ml2, "mmHg·s²/ml²"),
    ):
        if not (math.isfinite(value) and value >= 0.0):
            message = tr("The resistance of “{name}” cannot be {value:g} {unit}; give a number from 0 on.")
            raise BadInput(message.format(name=element.name, value=value, unit=unit))
    if element.start == element.end:
        message = tr("The vessel “{name}” begins and ends at “{node}”; its ends must differ.")
        raise BadInput(message.format(name=element.name, node=element.start))


def _check_boundary(boundary: Boundary) -> None:
    values = [value for name, value in vars(boundary).items() if name != "node"]
    if not all(math.isfinite(value) for value in values):
        message = tr("The condition at “{node}” has a value that is no number: {values}; give finite numbers.")
        raise BadInput(message.format(node=boundary.node, values=", ".join(f"{value:g}" for value in values)))
    if isinstance(boundary, OutletResistance) and boundary.resistance_mmhg_s_ml < 0.0:
        message = tr("The outlet at “{node}” cannot have a resistance of {value:g} mmHg·s/ml; give 0 or more.")
        raise BadInput(message.format(node=boundary.node, value=boundary.resistance_mmhg_s_ml))
