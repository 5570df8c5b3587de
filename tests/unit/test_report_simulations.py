"""Results of simulators in the report: what is printed, what shares a curve, and that nothing can be misread."""

from __future__ import annotations

import copy
import io
import re
from functools import cache
from typing import Any

import pytest
from pypdf import PdfReader
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, PolyLine, String

from surgitwin.commands.report_parts import _is_path
from surgitwin.commands.simulated_patient import patient_key
from surgitwin.core.numbers_in_words import amount_text, number_text
from surgitwin.core.progress import Context
from surgitwin.exchange.report import report_pdf
from surgitwin.exchange.report_content import ReportContent, SimulationPart, Status
from surgitwin.exchange.report_curve import curve_drawing, curve_groups
from surgitwin.exchange.report_style import Style
from terminal import done

WIDTH = 493.0
LONG = "Extended right hepatectomy with the middle hepatic vein & <segment 1>, " * 3


@cache
def _computed(simulator: str, *settings: str) -> Any:
    return done("simulate", "-", simulator, "--set", *settings)


def document(plan: str = "Right", share: float = 0.35, *settings: str, simulator: str = "portal-pressure") -> Any:
    usual = {"samples": "60", "pvp_mmhg": "9±1", "remnant_fraction": f"{share}"}
    wanted = usual | dict(pair.split("=") for pair in settings)
    found = copy.deepcopy(_computed(simulator, *(f"{name}={value}" for name, value in wanted.items())))
    return found | {"plan": plan}


def part(found: Any, *statuses: Status) -> SimulationPart:
    return SimulationPart(f"{found['title']}: {found['plan']}", found, (Status.SIMULATED, *statuses), _key(found))


def _key(found: Any) -> str:
    return patient_key(found) if found["inputs"] else ""


def text(*parts: SimulationPart) -> str:
    content = ReportContent(case="Case S", created="2026-11-24 09:30", simulations=parts)
    reader = PdfReader(io.BytesIO(report_pdf(content, Context())))
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))


def corners(drawing: Drawing) -> list[tuple[float, float]]:
    """Every place that a drawing touches, with the ends of its texts."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    found: list[tuple[float, float]] = []
    for shape in drawing.contents:
        if isinstance(shape, Polygon | PolyLine):
            found += list(zip(shape.points[::2], shape.points[1::2], strict=True))
        elif isinstance(shape, Line):
            found += [(shape.x1, shape.y1), (shape.x2, shape.y2)]
        elif isinstance(shape, Circle):
            found += [(shape.cx - shape.r, shape.cy - shape.r), (shape.cx + shape.r, shape.cy + shape.r)]
        else:
            assert isinstance(shape, String)
            wide = stringWidth(shape.text, shape.fontName, shape.fontSize)
            start = {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.textAnchor]
            found += [(shape.x - start * wide, shape.y), (shape.x + (1 - start) * wide, shape.y + shape.fontSize)]
    return found


def words(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.contents if isinstance(shape, String)]


def test_a_chance_is_said_of_reaching_a_limit_and_never_of_the_verdict_beside_it() -> None:
    found = document()
    chances = {limit["verdict"]: limit for limit in found["thresholds"] if limit["probability_percent"] is not None}
    chances["below"]["probability_percent"] = 2.4
    said = text(part(found))

    assert "below; reached in 2 % of samples" in said
    assert not re.search(r"(below|within the interval|reached); in ", said)


def test_a_chance_is_never_a_flat_0_or_100_percent() -> None:
    found = document()
    for number, limit in enumerate(found["thresholds"][:2]):
        limit["probability_percent"] = (0.0, 100.0)[number]
    said = text(part(found))

    assert "reached in < 1 % of samples" in said and "reached in > 99 % of samples" in said


def test_every_output_is_printed_with_median_interval_rigid_result_and_unit() -> None:
    found = document("Right", 0.35, "liver_volume_ml=1500")
    said = text(part(found))

    for name, output in found["outputs"].items():
        rigid = found["details"]["rigid"][name]
        row = f"{number_text(output['value'])} {number_text(output['low'])} to {number_text(output['high'])}"
        row += f" {number_text(rigid['value'])} ({number_text(rigid['low'])} to {number_text(rigid['high'])})"
        assert f"{output['title']} {row} {output['unit']}" in said


def test_without_samples_a_point_value_is_called_one() -> None:
    said = text(part(document("Right", 0.35, "samples=0")))

    assert "Point value, no interval" in said
    assert "Median" not in said and "90 % interval" not in said and "PVP, mmHg" not in said


def test_what_was_recalled_or_chosen_by_us_is_marked_beside_each_input() -> None:
    found = document()
    said = text(part(found))

    assert any(known["checked"] == "M" for known in found["inputs"].values())
    for known in found["inputs"].values():
        marks = {"R": "", "M": "recalled, not checked against the paper", "D": "our own choice, no publication behind"}
        if known["origin"] == "prior":
            assert f"assumed; {known['source']}; {marks[known['checked']]}" in said, known["title"]


def test_plans_that_differ_in_what_stays_share_one_curve_and_others_do_not() -> None:
    right, left = part(document("Right", 0.3)), part(document("Left", 0.6))
    higher = part(document("Other patient", 0.5, "pvp_mmhg=14±1"))
    stale = part(document("Old", 0.4), Status.STALE)
    graft = part(document("Graft", 0.4) | {"simulator": "graft-pressure"})

    groups = curve_groups([right, higher, left, stale, graft])
    assert [[one.document["plan"] for one in group] for group in groups] == [
        ["Right", "Left"],
        ["Other patient"],
        ["Old"],
        ["Graft"],
    ]
    said = text(right, higher, left)
    assert said.count("PVP, mmHg") == 2
    assert f"On the curve of “{right.title}” this is point 2." in said


def test_a_measurement_makes_another_curve() -> None:
    plain, taught = part(document("A", 0.3)), part(document("B", 0.3, "measured_pvp_mmhg=14±1", "samples=400"))

    assert len(curve_groups([plain, taught])) == 2


def test_points_stand_where_the_plans_are_and_share_a_label_where_they_meet() -> None:
    parts = [part(document(name, share)) for name, share in (("A", 0.3), ("B", 0.6), ("C", 0.3))]
    drawing = curve_drawing(Style(), parts, WIDTH)

    circles = [shape for shape in drawing.contents if isinstance(shape, Circle)]
    assert [one.cx for one in circles] == [circles[0].cx, circles[1].cx, circles[0].cx]
    assert circles[0].cx < circles[1].cx and circles[0].cy > circles[1].cy
    assert "1, 3" in words(drawing) and "2" in words(drawing)
    line = next(shape for shape in drawing.contents if isinstance(shape, PolyLine))
    # The curve of the plans themselves goes through their points.
    xs, ys = line.points[::2], line.points[1::2]
    near = min(range(len(xs)), key=lambda k: abs(xs[k] - circles[0].cx))
    assert ys[near] == pytest.approx(circles[0].cy, abs=0.5)


@pytest.mark.parametrize("share", [0.05, 0.35, 1.0])
def test_a_curve_stays_within_its_drawing_however_high_the_pressure_is(share: float) -> None:
    found = document(LONG, share, "pvp_mmhg=25±3")
    drawing = curve_drawing(Style(), [part(found)], WIDTH)

    assert all(-0.01 <= x <= WIDTH + 0.01 and -0.01 <= y <= drawing.height + 0.01 for x, y in corners(drawing))
    assert not any(LONG[:20] in said for said in words(drawing))


def test_limits_are_all_drawn_and_their_numbers_do_not_touch() -> None:
    drawing = curve_drawing(Style(), [part(document())], WIDTH)

    marks = [shape for shape in drawing.contents if isinstance(shape, String) and shape.text in ("21 mmHg", "22 mmHg")]
    assert len(marks) == 2
    assert abs(marks[0].y - marks[1].y) >= marks[0].fontSize


def test_a_long_name_and_names_in_other_scripts_are_printed_whole_below_the_curve() -> None:
    said = text(part(document(LONG)), part(document("肝右葉切除", 0.5)))

    assert f"1 {LONG.strip()}" in said
    assert "2 肝右葉切除: 50.0 %, PVP" in said


def test_a_size_that_should_be_large_is_good_where_it_is_reached() -> None:
    settings = ("samples=0", "graft_volume_ml=700", "recipient_weight_kg=70", "standard_liver_volume_ml=1200")
    large = copy.deepcopy(_computed("graft-pressure", *settings)) | {"plan": None}
    small = copy.deepcopy(_computed("graft-pressure", "samples=0", "graft_volume_ml=400", *settings[2:])) | {
        "plan": None
    }

    bad = "✕" if Style().fonts.has("✕") else "x"
    assert "0.8 % (ILTS-iLDLT-LTSI 2023) ✓ reached" in text(part(large))
    assert f"0.8 % (ILTS-iLDLT-LTSI 2023) {bad} below" in text(part(small))


def test_meld_and_what_a_measurement_taught_are_printed() -> None:
    blood = (
        "bilirubin_mg_dl=2.5",
        "sodium_mmol_l=135",
        "inr=1.5",
        "creatinine_mg_dl=1.2",
        "albumin_g_dl=3",
        "sex=male",
    )
    size = ("graft_volume_ml=700", "standard_liver_volume_ml=1200", "samples=800", "measured_pvp_mmhg=15±1")
    said = text(part(copy.deepcopy(_computed("graft-pressure", *blood, *size)) | {"plan": None}))

    assert "MELD 3.0: 18 (Kim 2021; bounds of the values but creatinine's are recalled" in said
    assert "Learnt from: Portal venous pressure 15 ± 1 mmHg." in said
    assert re.search(r"portal flow \(L/min\): \S+ \(.+?\) before, \S+ \(.+?\) after", said)


def test_the_score_of_an_aneurysm_is_printed_as_recalled() -> None:
    found = document()
    note = "recalled, not checked against the paper"
    score = {"source": "Greving 2014", "population": "six cohorts", "note": note, "text": "share of that population"}
    items = [{"title": "Age", "answer": "72", "points": 1}, {"title": "Site", "answer": "", "points": None}]
    found["details"]["phases"] = score | {"items": items}

    assert f"PHASES: Age: 72 (1), Site: (not known). Greving 2014 (six cohorts; {note})." in text(part(found))


def test_a_result_of_another_package_is_printed_whatever_it_calls_a_curve() -> None:
    found = document()
    found["details"] = {"curve": [1, 2, 3], "rigid": "not a table"}
    found["thresholds"] = [{"title": "Mine", "verdict": "unheard of", "limit": None}]
    found["main"], found["drivers"], found["inputs"] = [], [], {}

    assert "Mine" in text(part(found)) and curve_groups([part(found)]) == []


def test_a_stale_result_says_so() -> None:
    assert "STALE" in text(part(document(), Status.STALE)) and "STALE" not in text(part(document()))


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "not assessed"), (0.0, "0.00"), (0.0042, "0.0042"), (0.062, "0.062"), (-0.004, "-0.004"), (9.951, "9.95")],
)
def test_nothing_small_is_printed_as_nothing(value: float | None, said: str) -> None:
    assert number_text(value) == said


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        (1330.4, 3, "1330"),
        (1060, 3, "1060"),
        (1.045, 4, "1.045"),
        (0.0025, 3, "0.0025"),
        (0, 4, "0"),
        (-247.3, 3, "-247"),
    ],
)
def test_amounts_are_written_out(value: float, digits: int, said: str) -> None:
    assert amount_text(value, digits) == said


def test_a_path_among_the_settings_counts_as_an_identifier() -> None:
    assert _is_path("/home/jane/doe.json") and _is_path("C:\\Users\\jane\\m.json")
    assert not _is_path("9±1") and not _is_path(3) and not _is_path("Portal vein")
