"""The report: what it must say on every page, beside every number, and what it must never print."""

import dataclasses
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.progress import Context
from surgitwin.exchange.report import report_pdf, write_report
from surgitwin.exchange.report_content import (
    LegendEntry,
    PatientLine,
    Picture,
    ProvenanceRow,
    Quantity,
    ReportContent,
    ReportWarning,
    Status,
    Study,
    millilitres,
)
from surgitwin.exchange.report_documents import plan_part, plane_line, volume_row
from surgitwin.exchange.report_style import Fonts, Style

DISCLAIMER = "Research and planning aid, not a medical device"
LESIONS = [
    {"name": "Tumour 1", "volume_ml": 11.5, "margin_mm": 8.32, "left_behind": False, "left_behind_ml": 0.0},
    {"name": "Tumour 2", "volume_ml": 4.2, "margin_mm": None, "left_behind": True, "left_behind_ml": 4.2},
    {"name": "Tumour 3", "volume_ml": 6.0, "margin_mm": 0.0, "left_behind": True, "left_behind_ml": 1.25},
]


def limit(verdict: str, value: float | None, **changes: object) -> dict[str, object]:
    return {
        "id": "kishi-2009",
        "label": "at least 20 % of the standard liver volume by Vauthey (Kishi 2009: normal liver, USA)",
        "verdict": verdict,
        "value": value,
        "limit": 20.0,
        "unit": "%",
        "reason": "" if value is not None else "not confirmed: the height",
        "citation": "Kishi Y, et al.",
        "provenance": "citation recalled, not re-read",
    } | changes


def document(**changes: object) -> dict[str, object]:
    return {
        "organ": "Liver",
        "organ_ml": 1600.4,
        "removed_ml": 1011.2,
        "remnant_ml": 589.2,
        "remnant_tumour_free_ml": 585.0,
        "remnant_percent": 36.81,
        "flr_percent": 36.81,
        "flr_tumour_free_percent": 36.92,
        "standard_liver_ml": 1617.3,
        "standard_liver_formula": "Vauthey: 1267.28 × BSA − 794.41 (Western adults)",
        "remnant_to_standard_percent": 36.17,
        "remnant_to_weight_percent": 0.78,
        "crossed_vessels": None,
        "devascularised_ml": None,
        "congested_ml": None,
        "lesions": LESIONS,
        "limits": [limit("meets", 36.17)],
        "warnings": [],
    } | changes


def picture(width: int = 300, height: int = 200, **changes: object) -> Picture:
    buffer = io.BytesIO()
    shade = len(str(changes.get("caption", "")))  # equal pictures are stored once
    Image.new("RGB", (width, height), (40, 60, shade)).save(buffer, "PNG")
    cut = LegendEntry((255, 95, 162), "Cut of Plan A", line=True)
    given = {"png": buffer.getvalue(), "caption": "Axial slice", "legend": (cut,)} | changes
    return Picture(**given)  # type: ignore[arg-type]


def content(**changes: object) -> ReportContent:
    given: dict[str, object] = {
        "case": "Case 2041",
        "created": "2026-11-24 09:30",
        "studies": (Study("2026-10-02", "portal venous", "CT", "Abdomen 1.5 mm"),),
        "plans": (plan_part("Plan A", document(), (Status.DRAFT,)),),
    }
    return ReportContent(**(given | changes))  # type: ignore[arg-type]


def pages(report: ReportContent) -> list[str]:
    reader = PdfReader(io.BytesIO(report_pdf(report, Context())))
    return [page.extract_text().replace("\u00a0", " ") for page in reader.pages]


def text(report: ReportContent) -> str:
    """All words of a report, however its lines are broken."""
    return re.sub(r"\s+", " ", " ".join(pages(report)))


def test_every_page_has_the_disclaimer_the_case_and_its_number() -> None:
    rows = tuple(volume_row({"name": f"Segment {n}", "volume_ml": n}, (9, 9, 9)) for n in range(120))
    found = pages(content(volumes=rows))
    assert len(found) > 2
    for number, page in enumerate(found, 1):
        assert DISCLAIMER in page and "Case 2041" in page and "2026-10-02" in page
        assert f"Page {number} of {len(found)}" in page


def test_head_names_study_phase_and_series() -> None:
    found = text(content(author="Dr. Łukasz Müller", facts=(("Height, weight", "175 cm, 75 kg (confirmed)"),)))
    assert "2026-10-02, CT, portal venous" in found and "Abdomen 1.5 mm" in found
    assert "Dr. Łukasz Müller" in found and "175 cm, 75 kg (confirmed)" in found
    assert "phase unknown" in text(content(studies=(Study("2026-10-02"),)))


def test_the_patient_is_named_only_when_asked() -> None:
    patient = PatientLine("Doe, Jane", "4711", "1950-01-31", "F")
    named = pages(content(patient=patient))
    assert all("Doe, Jane, 4711, 1950-01-31" in page for page in named)
    assert "Patient" not in text(content())
    for report in (content(), content(patient=patient)):
        meta = PdfReader(io.BytesIO(report_pdf(report, Context()))).metadata
        assert meta is not None and "Doe" not in str(dict(meta)) and meta.title == "Surgical plan report"


def test_a_status_stands_beside_every_number_it_holds_for() -> None:
    found = text(content(plans=(plan_part("Plan A", document(lesions=[], limits=[]), (Status.DRAFT, Status.STALE)),)))
    for number in ("1600 ml", "1011 ml", "589 ml", "585 ml", "36.8 %", "36.9 %", "36.2 %", "0.78 %"):
        assert f"{number} DRAFT STALE" in found
    assert "no person has reviewed it yet" in found and "has changed since" in found
    assert "SIMULATED" not in found


def test_simulated_and_automatic_numbers_are_marked_and_explained() -> None:
    entry = {"name": "Liver", "volume_ml": 1600.4, "surface_volume_ml": 1595.0, "hu": {"mean": 104.4, "sd": 18.3}}
    found = text(content(plans=(), volumes=(volume_row(entry, (1, 2, 3), (Status.AUTOMATIC, Status.SIMULATED)),)))
    assert "1600 ml SIMULATED AUTOMATIC" in found and "104 ± 18 HU SIMULATED AUTOMATIC" in found
    assert "computed by a model, not measured" in found


def test_a_structure_cut_off_by_the_image_is_marked_with_its_volumes_and_plans() -> None:
    row = volume_row({"name": "Liver", "volume_ml": 900.0, "cut_off": True}, (1, 2, 3))
    cut_off = document(
        flr_percent=None,
        flr_tumour_free_percent=None,
        remnant_percent=None,
        warnings=[{"code": "organ-cut-off", "message": "..."}],
        limits=[],
    )
    found = text(content(volumes=(row,), plans=(plan_part("Plan A", cut_off),)))
    assert "Liver CUT OFF" in found and "1600 ml CUT OFF" in found and "589 ml CUT OFF" in found
    assert "the image ends within the structure" in found
    assert "Remnant / organ not assessed" in found


def test_what_was_not_assessed_says_so_and_is_never_0() -> None:
    found = text(content())
    for label in ("Vessels crossed", "Loses portal inflow", "Loses venous outflow"):
        assert f"{label} not assessed" in found
    assert "not assessed DRAFT" not in found  # a status is of a number


def test_lesions_print_margin_left_behind_and_cut_through() -> None:
    found = text(content())
    assert "Tumour 1 12 ml 8.3 mm DRAFT" in found
    assert "Tumour 2 4.2 ml left behind DRAFT" in found
    assert "Tumour 3 6.0 ml cut through DRAFT stays behind: 1.2 ml DRAFT" in found


def test_a_limit_prints_ratio_population_value_verdict_and_source() -> None:
    found = text(content())
    assert "At least 20 % of the standard liver volume by Vauthey (Kishi 2009: normal liver, USA)" in found
    assert "citation recalled, not re-read" in found
    assert "✓ meets 36.2 % DRAFT" in found and "✓ meets all 1 assessed" in found
    below = text(content(plans=(plan_part("Plan A", document(limits=[limit("below", 11.0)])),)))
    assert "▼ below 11.0 %" in below and "below 1 of 1 assessed" in below
    unknown = text(content(plans=(plan_part("Plan A", document(limits=[limit("not assessed", None)])),)))
    assert "– not assessed not confirmed: the height" in unknown


def test_a_kidney_has_a_remnant_but_no_liver_words() -> None:
    kidney = document(organ="Left kidney", flr_percent=None, flr_tumour_free_percent=None, limits=[], lesions=[])
    found = text(content(plans=(plan_part("Plan A", kidney),)))
    assert "Remnant / organ 36.8 %" in found
    assert "FLR" not in found and "liver" not in found.lower()


def test_plans_stand_side_by_side_and_a_fourth_starts_a_new_table() -> None:
    plans = tuple(plan_part(f"Plan {c}", document(removed_ml=100.0 + n)) for n, c in enumerate("ABCD"))
    found = text(content(plans=plans))
    assert "Plans side by side" in found
    assert "Removed 100 ml 101 ml 102 ml" in found and "Removed 103 ml" in found


def test_plans_with_different_lesions_are_lined_up_by_name() -> None:
    first, second = document(lesions=LESIONS[:1], limits=[]), document(lesions=LESIONS[1:2], limits=[])
    found = text(content(plans=(plan_part("A", first), plan_part("B", second))))
    assert "Tumour 1 12 ml 8.3 mm not assessed" in found
    assert "Tumour 2 4.2 ml not assessed left behind" in found


def test_warnings_notes_provenance_and_versions_are_printed() -> None:
    found = text(
        content(
            warnings=(ReportWarning("Image", "Slice 83 is missing."), ReportWarning("", "Check <this> & that.")),
            provenance=(ProvenanceRow("Liver", "segment threshold", "r9d8c7b6a", "0.1.0", "2026-11-24 08:50"),),
            versions=(("Surgitwin", "0.1.0"),),
            notes="First line.\nSecond line.",
        )
    )
    assert "Image: Slice 83 is missing." in found and "Check <this> & that." in found
    assert "r9d8c7b6a" in found and "segment threshold" in found and "Versions: Surgitwin 0.1.0" in found
    assert "First line. Second line." in found


def test_an_approximate_number_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    moving = content(plans=(plan_part("Plan A", document(), approximate=True),))
    with pytest.raises(BadInput, match="still approximate"):
        write_report(moving, tmp_path / "report.pdf", Context())
    assert list(tmp_path.iterdir()) == []


def test_pictures_come_with_caption_and_the_legend_of_the_cut() -> None:
    solid = picture(900, 600, kind="3d", caption="Seen from the front")
    report = content(pictures=(solid, picture(), picture(caption="Coronal slice"), picture(caption="Sagittal slice")))
    found = text(report)
    for caption in ("Seen from the front", "Axial slice", "Coronal slice", "Sagittal slice", "Cut of Plan A"):
        assert caption in found
    reader = PdfReader(io.BytesIO(report_pdf(report, Context())))
    assert sum(len(page.images) for page in reader.pages) == 4


@pytest.mark.parametrize("size", [(60, 2000), (4000, 40), (1, 1)])
def test_a_picture_of_any_shape_fits_the_page(size: tuple[int, int]) -> None:
    assert pages(content(pictures=(picture(*size, kind="3d"), picture(*size))))


def test_a_picture_that_is_none_is_refused_by_its_caption(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    target.write_bytes(b"old")
    with pytest.raises(BadInput, match="Broken slice"):
        write_report(content(pictures=(Picture(b"no picture", "Broken slice"),)), target, Context())
    assert target.read_bytes() == b"old"


def test_the_file_is_written_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    assert write_report(content(), target, Context(), "letter") == target
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]
    box = PdfReader(target).pages[0].mediabox
    assert (float(box.width), float(box.height)) == (612.0, 792.0)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="missing"):
        write_report(content(), tmp_path / "missing" / "report.pdf", Context())


def test_a_stopped_report_raises_cancelled(tmp_path: Path) -> None:
    context = Context()
    context.cancel()
    with pytest.raises(Cancelled):
        write_report(content(), tmp_path / "report.pdf", context)


def test_names_in_other_scripts_are_set_in_fonts_that_have_them() -> None:
    report = content(
        plans=(), volumes=tuple(volume_row({"name": n}, (1, 2, 3)) for n in ("Печень", "Ήπαρ", "Leberläsion №1"))
    )
    found = text(report)
    assert "Печень" in found and "Ήπαρ" in found and "Leberläsion №1" in found
    fonts = Style().fonts
    assert 'name="HeiseiKakuGo-W5"' in fonts.markup("レバー")
    assert 'name="STSong-Light"' in fonts.markup("肝") and 'name="HYGothic-Medium"' in fonts.markup("간")
    assert fonts.markup("e\u0301") == "é" and fonts.markup("\U0001f600") == "?"
    assert pages(content(case="肝臓 간 Case"))


def test_without_inter_the_report_falls_back_to_the_font_of_reportlab(tmp_path: Path) -> None:
    style = Style(Fonts.load(tmp_path))
    assert style.fonts.regular == "Surgitwin-Vera-Regular"
    for verdict in ("meets", "below", "not assessed"):
        assert verdict in style.verdict(verdict, verdict)  # type: ignore[arg-type]
    assert style.paragraph("Größe").getPlainText() == "Größe"


def test_a_very_long_case_name_is_cut_short_at_the_head_of_the_page() -> None:
    assert all("…" in page for page in pages(content(case="Very long name " * 20)))


def test_numbers_are_formatted_as_surgeons_read_them() -> None:
    assert Quantity(-0.04, "mm", 1).formatted() == "0.0\u00a0mm"
    assert Quantity(-20.4, "HU", 0, spread=18.3).formatted() == "−20\u00a0±\u00a018\u00a0HU"
    assert Quantity(None, "ml").formatted() == "not assessed"
    assert Quantity(float("nan"), "ml").formatted() == "not assessed"
    assert millilitres(1600.4).formatted() == "1600\u00a0ml"
    assert millilitres(9.96).formatted() == "10.0\u00a0ml"


def test_a_plane_is_told_in_words() -> None:
    line = plane_line("1", (-10.0, 0.0, 42.25), (-2.0, 0.1, 1.5))
    assert line == (
        "Plane 1 through −10.0, 0.0, 42.2 mm (LPS), normal −0.80, 0.04, 0.60; what lies right-superior of it goes."
    )


def test_every_number_of_the_content_is_looked_at_before_printing() -> None:
    report = content(volumes=(volume_row({"name": "Liver", "volume_ml": 1.0}, (0, 0, 0)),))
    bad = dataclasses.replace(report.volumes[0], surface=Quantity(3.0, "ml", approximate=True))
    with pytest.raises(BadInput, match="Liver"):
        dataclasses.replace(report, volumes=(bad,)).check()
