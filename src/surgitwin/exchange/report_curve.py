"""The curve of portal pressure over what stays, in the report: its band, the limits, and a point for each plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgitwin.core.text import tr
from surgitwin.exchange.report_content import SimulationPart, Status
from surgitwin.exchange.report_style import Style

Document = Mapping[str, Any]
Place = Callable[[float, float], tuple[float, float]]
HEIGHT = 170.0
MARGINS = (30.0, 52.0, 34.0, 16.0)  # left, right, bottom, top
SHARE = "remnant_fraction"
FONT_SIZE = 7.0
LEAST_GAP = 8.0


def has_curve(part: SimulationPart) -> bool:
    """True if the result holds a curve that can be drawn here; other simulators may call something else so."""
    curve = part.document["details"].get("curve")
    drawn = ("remnant_fraction", "rigid_pvp_mmhg", "pvp_mmhg")
    return isinstance(curve, Mapping) and all(curve.get(key) for key in drawn) and _point(part) is not None


def curve_groups(parts: Sequence[SimulationPart]) -> list[tuple[SimulationPart, ...]]:
    """The results that share a curve: of one simulator and patient, current, and made from the same but for what stays.

    A curve is that of one patient. A plan that was simulated with other values, or that is stale, lies on another.
    """
    groups: dict[str, list[SimulationPart]] = {}
    for number, part in enumerate(parts):
        if not has_curve(part):
            continue
        alone = Status.STALE in part.statuses or not part.patient
        groups.setdefault(f"alone {number}" if alone else part.patient, []).append(part)
    return [tuple(group) for group in groups.values()]


def _point(part: SimulationPart) -> tuple[float, float] | None:
    """Share that stays, percent, and the predicted pressure."""
    share = part.document["details"].get("remnant", {}).get("perfused_percent")
    pressure = part.document["outputs"].get("pvp_mmhg", {}).get("value")
    return None if share is None or pressure is None else (share, pressure)


def curve_drawing(style: Style, group: Sequence[SimulationPart], width: float) -> Any:
    """The curve of the first of the group, which is that of all, with all their points, numbered."""
    from reportlab.graphics.shapes import Drawing

    document = group[0].document
    curve = document["details"]["curve"]
    shares = [100.0 * share for share in curve["remnant_fraction"]]
    points = [point for point in map(_point, group) if point is not None]
    limits = _limits(document)
    band = curve["pvp_mmhg"]
    highest = [*band["high"], *curve["rigid_pvp_mmhg"], *(y for _, y in points), *(limit for limit, _ in limits)]
    left, right, bottom, above = MARGINS
    drawing = Drawing(width, HEIGHT)
    first = min([shares[0], *(x for x, _ in points)])
    top = 1.05 * max(highest)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (shares[-1] - first)
        return left + across * (width - left - right), bottom + y / top * (HEIGHT - bottom - above)

    _draw_band(drawing, style, curve, shares, place)
    title = document["inputs"][SHARE]["title"]
    _draw_axes(drawing, style, (first, shares[-1], top), place, title)
    _draw_limits(drawing, style, limits, (first, shares[-1]), place)
    for at, numbers in _together([place(*point) for point in points]):
        _draw_point(drawing, style, at, ", ".join(numbers))
    return drawing


def _together(places: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], list[str]]]:
    """Points with their numbers; those that lie on one another share a label, each number once."""
    found: list[tuple[tuple[float, float], list[str]]] = []
    for number, (x, y) in enumerate(places, 1):
        near = [one for one in found if one[1] and abs(one[0][0] - x) < LEAST_GAP and abs(one[0][1] - y) < LEAST_GAP]
        if near:
            near[0][1].append(str(number))
            found.append(((x, y), []))
        else:
            found.append(((x, y), [str(number)]))
    return found


def curve_legend(style: Style, group: Sequence[SimulationPart]) -> list[Any]:
    """Which number is which result; plain text, so that long names and any script have room."""
    lines = []
    for number, part in enumerate(group, 1):
        document = part.document
        output, point = document["outputs"]["pvp_mmhg"], _point(part)
        assert point is not None
        text = tr("{number}  {name}: {share:.1f} %, PVP {value:.1f} mmHg").format(
            number=number, name=document["plan"] or document["title"], share=point[0], value=point[1]
        )
        if output["low"] is not None:
            text += tr(" ({low:.1f} to {high:.1f})").format(**output)
        lines.append(style.paragraph(text, "legend"))
    if len(group) == 1:
        return lines
    return [*lines, style.paragraph(tr("One curve for these plans: all other values are the same."), "legend")]


def _limits(document: Document) -> list[tuple[float, str]]:
    """The limits of portal pressure, each once, the lowest first."""
    found = {
        (float(x["limit"]), x.get("author") or "")
        for x in document["thresholds"]
        if x.get("output") == "pvp_mmhg" and x.get("limit") is not None
    }
    return sorted(found)


def _word(
    drawing: Any,
    style: Style,
    at: tuple[float, float],
    said: str,
    colour: str,
    anchor: str = "start",
    *,
    strong: bool = False,
) -> None:
    """Text in the program's own words: the font of the report has all its characters."""
    from reportlab.graphics.shapes import String

    x, y = at
    font = {"fontName": style.fonts.semibold if strong else style.fonts.regular, "fontSize": FONT_SIZE}
    drawing.add(String(x, y, said, fillColor=style.colour(colour), textAnchor=anchor, **font))


def _draw_band(drawing: Any, style: Style, curve: Document, shares: Sequence[float], place: Place) -> None:
    from reportlab.graphics.shapes import Polygon, PolyLine

    def along(values: Sequence[float], *, back: bool = False) -> list[float]:
        pairs = list(zip(shares, values, strict=True))
        return [value for x, y in (reversed(pairs) if back else pairs) for value in place(x, y)]

    band = curve["pvp_mmhg"]
    edges = along(band["low"]) + along(band["high"], back=True)
    drawing.add(Polygon(edges, fillColor=style.tinted("accent"), strokeColor=None))
    drawing.add(PolyLine(along(band["value"]), strokeColor=style.colour("accent"), strokeWidth=1.2))
    rigid = along(curve["rigid_pvp_mmhg"])
    drawing.add(PolyLine(rigid, strokeColor=style.colour("text-muted"), strokeWidth=0.8, strokeDashArray=[3, 2]))


def _draw_axes(drawing: Any, style: Style, ends: tuple[float, float, float], place: Place, title: str) -> None:
    from reportlab.graphics.shapes import Line

    first, last, top = ends
    left, _, bottom, _ = MARGINS
    thin = {"strokeColor": style.colour("text-muted"), "strokeWidth": 0.5}
    drawing.add(Line(*place(first, 0), *place(last, 0), **thin))
    drawing.add(Line(*place(first, 0), *place(first, top), **thin))
    step = 5 if top <= 40 else 10 if top <= 80 else 20
    for value in range(step, int(top) + 1, step):
        x, y = place(first, value)
        drawing.add(Line(x - 2, y, x, y, **thin))
        _word(drawing, style, (left - 5, y - 2.5), f"{value}", "text-muted", "end")
    for value in range(20, 101, 20):
        if first <= value <= last:
            x, y = place(value, 0)
            drawing.add(Line(x, y, x, y - 2, **thin))
            _word(drawing, style, (x, bottom - 10), f"{value}", "text-muted", "middle")
    _word(drawing, style, (2, HEIGHT - 8), tr("PVP, mmHg"), "text-muted")
    shown = tr("{share}, %. Line: median; band: 90 %; dashed: rigid portal tree.").format(share=title)
    _word(drawing, style, (left, 4), shown, "text-muted")


def _draw_limits(
    drawing: Any, style: Style, limits: Sequence[tuple[float, str]], ends: tuple[float, float], place: Place
) -> None:
    """A line for each limit, its number right of it; numbers that would touch move apart."""
    from reportlab.graphics.shapes import Line

    lowest = -1e9
    for limit, _ in limits:
        (x0, y), (x1, _) = place(ends[0], limit), place(ends[1], limit)
        drawing.add(Line(x0, y, x1, y, strokeColor=style.colour("bad"), strokeWidth=0.7))
        lowest = max(y - 2.5, lowest + LEAST_GAP)
        _word(drawing, style, (x1 + 4, lowest), tr("{limit:g} mmHg").format(limit=limit), "bad")


def _draw_point(drawing: Any, style: Style, at: tuple[float, float], number: str) -> None:
    from reportlab.graphics.shapes import Circle

    x, y = at
    drawing.add(Circle(x, y, 2.6, fillColor=style.colour("text"), strokeColor=None))
    if number:
        _word(drawing, style, (x, y + 5), number, "text", "middle", strong=True)
