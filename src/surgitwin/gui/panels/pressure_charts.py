"""Portal pressure against what stays, with the plans on it, and how it settles after clamping."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.live_pressure import Pressure
from surgitwin.gui.panels.parts import Choice, button
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.chart import Band, Chart, ChartContent, Dot, Level, Line
from surgitwin.gui.widgets.sections import Section
from surgitwin.simulators.portal_pressure.limits import LIMITS

Document = dict[str, Any]
FRAME_MS = 40
FRAMES = 120
SERIES = (
    ("pvp_mmhg", tr("Portal pressure"), "mmHg"),
    ("pcg_mmhg", tr("Portocaval gradient"), "mmHg"),
    ("cvp_mmhg", tr("Central venous pressure"), "mmHg"),
    ("map_mmhg", tr("Mean arterial pressure"), "mmHg"),
    ("portal_flow_l_min", tr("Portal flow"), "L/min"),
    ("hepatic_artery_flow_l_min", tr("Hepatic artery flow"), "L/min"),
)


class PressureCharts(QWidget):
    """Two charts; hidden for results that have neither."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.curve_section = Section(theme, tr("Pressure against remnant"))
        self.curve = Chart(theme, tr("Pressure against remnant"))
        self.curve_section.body.addWidget(self.curve)
        column.addWidget(self.curve_section)
        self.way_section = Section(theme, tr("After clamping"), opened=False)
        self.way = Chart(theme, tr("After clamping"))
        self.series = Choice()
        for name, title, _ in SERIES:
            self.series.addItem(title, name)
        self.series.activated.connect(lambda _: self._draw_way())
        self.way_section.body.addWidget(self.series)
        self.way_section.body.addWidget(self.way)
        self.way_section.body.addWidget(self._player())
        column.addWidget(self.way_section)
        self._way: Document | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._advance)

    def _player(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        self.play = button(tr("Play"), self._toggle)
        row.addWidget(self.play)
        self.moment = QSlider(Qt.Orientation.Horizontal)
        self.moment.setAccessibleName(tr("Time after clamping"))
        self.moment.setRange(0, FRAMES)
        self.moment.setValue(FRAMES)
        self.moment.valueChanged.connect(lambda _: self._draw_way())
        row.addWidget(self.moment, 1)
        self.time = QLabel()
        set_role(self.time, "muted")
        row.addWidget(self.time)
        return holder

    # ---- what it shows -----------------------------------------------------------------------------------------

    def show_document(self, document: Document | None, others: Sequence[Document] = ()) -> None:
        details = document["details"] if document is not None else {}
        curve = details.get("curve")
        self.curve_section.setVisible(bool(curve))
        if document is not None and curve:
            self.curve.show_content(curve_content(document, others))
        self._way = details.get("transient")
        self.way_section.setVisible(bool(self._way))
        if not self._way:
            self._stop()
        self._draw_way()

    def _draw_way(self) -> None:
        if self._way is None:
            return
        share = self.moment.value() / FRAMES
        seconds = share * self._way["time_s"][-1]
        self.time.setText(tr("{seconds:.0f} s").format(seconds=seconds))
        name = str(self.series.currentData())
        unit = next(unit for key, _, unit in SERIES if key == name)
        self.way.show_content(way_content(self._way, name, unit, seconds))

    # ---- the animation -----------------------------------------------------------------------------------------

    def _toggle(self) -> None:
        if self._timer.isActive():
            self._stop()
            return
        if self.moment.value() >= FRAMES:
            self.moment.setValue(0)
        self.play.setText(tr("Pause"))
        self._timer.start()

    def _advance(self) -> None:
        self.moment.setValue(self.moment.value() + 1)
        if self.moment.value() >= FRAMES:
            self._stop()

    def _stop(self) -> None:
        self._timer.stop()
        self.play.setText(tr("Play"))

    def hideEvent(self, event: QHideEvent) -> None:
        self._stop()
        super().hideEvent(event)


def curve_content(document: Document, others: Sequence[Document] = ()) -> ChartContent:
    """PVP over the perfused share, its band, the rigid curve, the limits of PVP, and the plans."""
    curve = document["details"]["curve"]
    percent = [100 * share for share in curve["remnant_fraction"]]
    pvp = curve["pvp_mmhg"]
    limits = sorted(
        {(x["limit"], x["author"]) for x in document["thresholds"] if x["output"] == "pvp_mmhg" and x["limit"]}
    )
    low_limit = limits[:1]  # two of one paper lie so close that their names would cover each other
    dots = [_dot(one, filled=False) for one in others] + [_dot(document, filled=True)]
    return ChartContent(
        tr("% of the liver stays perfused"),
        tr("PVP, mmHg"),
        lines=(
            Line(percent, pvp["value"], label=tr("median")),
            Line(percent, curve["rigid_pvp_mmhg"], "text-muted", dashed=True, label=tr("rigid")),
        ),
        bands=(Band(percent, pvp["low"], pvp["high"]),),
        levels=tuple(Level(limit, f"{limit:g} mmHg, {author}") for limit, author in low_limit),
        dots=tuple(dots),
        summary=tr("Portal pressure falls from {first:.1f} mmHg at {low:.0f} % to {last:.1f} mmHg at 100 %.").format(
            first=pvp["value"][0], low=percent[0], last=pvp["value"][-1]
        ),
    )


def live_curve(
    percent: Sequence[float], bands: Sequence[tuple[float, float, float]], pressure: Pressure, name: str
) -> ChartContent:
    """The same for a cut that moves: PVP over what stays, and the plan's point on it."""
    low, value, high = ([band[k] for band in bands] for k in range(3))
    limit = min((x.limit, x.author) for x in LIMITS if x.output == "pvp_mmhg" and x.setting == "hepatectomy")
    return ChartContent(
        tr("% of the liver stays perfused"),
        tr("PVP, mmHg"),
        lines=(Line(percent, value),),
        bands=(Band(percent, low, high),),
        levels=(Level(limit[0], f"{limit[0]:g} mmHg, {limit[1]}"),),
        dots=(Dot(pressure.share_percent, pressure.value, name, True, pressure.low, pressure.high),),
        summary=tr("Portal pressure {value:.1f} mmHg at {share:.0f} %.").format(
            value=pressure.value, share=pressure.share_percent
        ),
    )


def _dot(document: Document, filled: bool) -> Dot:
    output = document["outputs"]["pvp_mmhg"]
    share = document["details"]["remnant"]["perfused_percent"]
    return Dot(share, output["value"], document["plan"] or "", filled, output["low"], output["high"])


def way_content(way: Document, name: str, unit: str, until_s: float) -> ChartContent:
    """One quantity over time up to a moment, rigid and compliant."""
    times = way["time_s"]
    count = max(bisect_right(times, until_s), 2)
    shown = [(key, way[key][name]) for key in ("compliant", "rigid")]
    lines = (
        Line(times[:count], shown[0][1][:count], label=tr("compliant")),
        Line(times[:count], shown[1][1][:count], "text-muted", dashed=True, label=tr("rigid")),
    )
    # What is to come holds the axes still.
    held = tuple(Line(times, values, "surface") for _, values in shown)
    return ChartContent(tr("s after clamping"), unit, lines=(*held, *lines), marker_x=until_s)
