"""The portal pressure to expect, as a cut moves: a table over what stays, made once for each calibration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from surgitwin.core.errors import SurgitwinError
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.live_plan import LivePlan, PlanNumbers
from surgitwin.jobs import Job
from surgitwin.scene.nodes import PlanNode, SimulationNode
from surgitwin.simulators.registry import simulator_named

SIMULATOR = "portal-pressure"
# A moving cut says itself what stays; the spread is that of a plan.
SHARE, ANY_SHARE = "remnant_fraction", "0.5±0.03"
NOT_SIMULATED = tr("see step Simulate")


@dataclass(frozen=True)
class Pressure:
    """What the Plan step shows.

    Attributes
    ----------
    low, value, high
        Portal venous pressure, mmHg: 90 % interval and median.
    share_percent
        What stays perfused and drained, of the tumour-free liver.
    cvp
        The central venous pressure before the operation that this rests on, in words.
    approximate
        True where it comes from the table and not from a simulation of just this plan.
    """

    low: float
    value: float
    high: float
    share_percent: float
    cvp: str
    approximate: bool


@dataclass(frozen=True, eq=False)
class _Calibration:
    table: Any  # simulators.portal_pressure.table.PressureTable
    open_fraction: float
    cvp: str


class LivePressure(QObject):
    """Follows the numbers of the plan that is looked at.

    Signals
    -------
    changed(Pressure or None, str)
        What is to be expected; where nothing is, why.
    """

    changed = Signal(object, str)

    def __init__(self, desk: Desk, live: LivePlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._key = ""
        self._calibration: _Calibration | None = None
        self._job: Job | None = None
        self._numbers = PlanNumbers(None, False, False)
        live.numbers_changed.connect(self._follow)
        desk.plan_changed.connect(lambda _: self._refresh())
        desk.session_changed.connect(lambda _: self._forget())

    @property
    def calibrated(self) -> bool:
        """True if there is a calibration, so that a moving cut's pressure follows it."""
        return self._calibration is not None

    def curve(self) -> tuple[list[float], list[tuple[float, float, float]]] | None:
        """Percent that stays, and (low, median, high) of the portal pressure there, mmHg."""
        from surgitwin.simulators.portal_pressure.samples import Kept

        found = self._calibration
        if found is None:
            return None
        percent = [float(p) for p in range(12, 101, 4)]
        bands = [found.table.at(Kept.of_total(p / 100, found.open_fraction)) for p in percent]
        known = [(p, band["pvp_mmhg"]) for p, band in zip(percent, bands, strict=True) if band is not None]
        return [p for p, _ in known], [band for _, band in known]

    # ---- following ---------------------------------------------------------------------------------------------

    def _follow(self, numbers: PlanNumbers) -> None:
        self._numbers = numbers
        self._tell()

    def _tell(self) -> None:
        pressure = self._pressure()
        reason = "" if pressure is not None else NOT_SIMULATED
        if pressure is None and self._calibration is not None and self._numbers.document is not None:
            reason = tr("too little stays perfused and drained")
        self.changed.emit(pressure, reason)

    def _pressure(self) -> Pressure | None:
        numbers, found = self._numbers, self._calibration
        document = numbers.document
        if document is None or found is None:
            return None
        kept_result = None if numbers.moving else self._current_result()
        if kept_result is not None:
            pvp = kept_result["outputs"]["pvp_mmhg"]
            if pvp["low"] is not None:
                share = kept_result["details"]["remnant"]["perfused_percent"]
                return Pressure(pvp["low"], pvp["value"], pvp["high"], share, found.cvp, False)
        from surgitwin.simulators.portal_pressure.from_twin import kept_while_moving

        kept = kept_while_moving(document)
        band = found.table.at(kept) if kept is not None else None
        if kept is None or band is None:
            return None
        low, value, high = band["pvp_mmhg"]
        return Pressure(low, value, high, 100 * kept.total, found.cvp, True)

    def _current_result(self) -> dict[str, Any] | None:
        """The simulation of just this plan, if it is current."""
        node = self._own()
        if node is None or self._desk.scene.is_stale(node):
            return None
        return node.document

    # ---- the calibration ---------------------------------------------------------------------------------------

    def _own(self) -> SimulationNode | None:
        plan = self._desk.plan
        kept = self._desk.scene.of_type(SimulationNode)
        return next((x for x in kept if x.simulator == SIMULATOR and plan is not None and x.plan == plan.id), None)

    def _settings(self) -> dict[str, Any] | None:
        """The values of this plan's simulation, or of the latest one of another plan of the same liver."""
        plan, scene = self._desk.plan, self._desk.scene
        if plan is None:
            return None
        own = self._own()
        if own is not None:
            return own.settings
        others = [x for x in scene.of_type(SimulationNode) if x.simulator == SIMULATOR]
        plans = {x.id: scene.get(x.plan, PlanNode) for x in others}
        same = [x for x in others if (other := plans[x.id]) is not None and other.organ == plan.organ]
        return same[-1].settings if same else None

    def _refresh(self) -> None:
        settings, plan, session = self._settings(), self._desk.plan, self._desk.session
        if settings is None or plan is None or session is None:
            self._set("", None)
            return
        if self._desk.scene.is_stale(plan):
            return  # its cut was just written; the numbers follow
        chosen = {**settings, SHARE: ANY_SHARE}
        simulator = simulator_named(SIMULATOR)
        try:
            params = simulator.parse(chosen)
            inputs = simulator.gather(self._desk.scene, plan, params)
        except SurgitwinError:
            self._set("", None)  # the Simulate step says why
            return
        known = {name: one.as_json() for name, one in inputs.quantities.items() if name != SHARE}
        key = json.dumps([known, chosen], sort_keys=True)
        if key == self._key:
            self._tell()
            return
        if self._job is not None:
            self._job.context.cancel()
        self._set(key, None)

        def work(ctx: Context) -> _Calibration:
            from surgitwin.simulators.portal_pressure.simulator import calibrated
            from surgitwin.simulators.portal_pressure.table import pressure_table

            patients, weights = calibrated(inputs, params)
            table = pressure_table(patients, inputs.open_fraction, ctx, weights)
            return _Calibration(table, inputs.open_fraction, inputs.quantities["cvp_mmhg"].spread.text())

        def done(found: _Calibration) -> None:
            if self._key == key:
                self._job = None
                self._set(key, found)

        self._job = session.runner.submit(tr("Portal pressure over the remnant"), work, done, self._desk.report)

    def _set(self, key: str, found: _Calibration | None) -> None:
        self._key, self._calibration = key, found
        self._tell()

    def _forget(self) -> None:
        self._job = None
        self._set("", None)
