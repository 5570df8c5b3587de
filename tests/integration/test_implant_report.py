"""Implants in the report: what, whose, where, and that a built-in one is no product."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfReader

from surgitwin.session import Session
from terminal import done, make_case, make_phantom


def test_the_report_lists_placed_implants_with_maker_material_and_place(tmp_path: Path) -> None:
    case = make_case(make_phantom(tmp_path), tmp_path / "case.twin")
    with Session.open(case) as session:
        session.run("implant", item="pedicle-screw/6.5x45", name="Screw A", at="10,20,30", along="0,0,-1", onto="Liver")
        session.run("implant", item="sphere/32", name="Head")
    done("report", case, tmp_path / "report.pdf")
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(tmp_path / "report.pdf").pages).split())
    for words in (
        "Screw A: Pedicle screw 6.5x45",
        "generic, not a product",
        "titanium alloy",
        "10.0, 20.0, 30.0",
        "not assessed",
        "The thread is a plain cylinder",
    ):
        assert words in text, text
