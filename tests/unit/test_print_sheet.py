"""The print sheet is one page at true scale that says what it belongs to; printers come from a file with sources."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pypdf
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.exchange.mesh_out import MeshItem, export_meshes
from surgitwin.exchange.print_sheet import Mark, PrintSheet, sheet_pdf
from surgitwin.exchange.printers import process_named, processes
from surgitwin.exchange.silhouette import silhouette
from surgitwin.exchange.threemf_in import read_3mf
from surgitwin.surfaces import solids

TUBE = (solids.cylinder((0, 0, 100), (60, 0, 100), 20.0) - solids.cylinder((30, -30, 100), (30, 30, 100), 5.0)).mesh()
HASH = "ab" * 32
FACTS = (("Size", "60.0 × 40.0 × 40.0 mm"), ("Sterilisation", "per local validation"))


def page_of(sheet: PrintSheet, size: str = "A4") -> pypdf.PageObject:
    reader = pypdf.PdfReader(io.BytesIO(sheet_pdf(sheet, size)))  # type: ignore[arg-type]
    assert len(reader.pages) == 1
    return reader.pages[0]


def lines_of(page: pypdf.PageObject) -> list[tuple[float, float, float, float]]:
    """Straight lines on the page, points."""
    content = page.get_contents()
    assert content is not None
    found = re.findall(rb"n ([-\d.]+) ([-\d.]+) m ([-\d.]+) ([-\d.]+) l S", content.get_data())
    return [tuple(float(v) for v in row) for row in found]  # type: ignore[misc]


@pytest.mark.parametrize("size", ["A4", "letter"])
def test_the_bar_is_100_mm_long_and_the_outline_is_at_true_scale(size: str) -> None:
    page = page_of(PrintSheet("part.stl", HASH, TUBE, FACTS), size)
    lengths = [abs(x2 - x1) for x1, y1, x2, y2 in lines_of(page) if y1 == y2]
    assert max(lengths) == pytest.approx(100 / 25.4 * 72, abs=0.01)
    content = page.get_contents()
    assert content is not None
    moves = [tuple(map(float, row)) for row in re.findall(rb"([-\d.]+) ([-\d.]+) [ml] ", content.get_data())]
    bar = {(x1, y1) for x1, y1, x2, y2 in lines_of(page)} | {(x2, y2) for x1, y1, x2, y2 in lines_of(page)}
    ring = np.array([at for at in moves if at not in bar])
    assert np.ptp(ring, axis=0) / 72 * 25.4 == pytest.approx((60.0, 40.0), abs=0.5)


def test_the_page_says_what_it_belongs_to_and_its_marks_are_words() -> None:
    marks = (Mark("FORCED: the check failed", "bad"), Mark("DRAFT: Skull was not reviewed"))
    text = page_of(PrintSheet("part.stl", HASH, TUBE, FACTS, marks)).extract_text()
    for words in ("FORCED", "DRAFT", "part.stl", HASH, "per local validation", "60.0 × 40.0", "100 mm"):
        assert words in text
    assert "not a medical device" in text and "scale 1:1" in text


def test_a_part_larger_than_the_page_is_cut_and_the_page_says_so() -> None:
    large = solids.box((0, 0, 0), (400, 300, 350)).mesh()
    text = page_of(PrintSheet("part.stl", HASH, large, FACTS)).extract_text()
    assert "larger than the page" in text


def test_long_texts_still_leave_one_page() -> None:
    facts = tuple((f"Label {n}", "a long text " * 60) for n in range(16))
    page_of(PrintSheet("part.stl", HASH, TUBE, facts))


def test_the_silhouette_of_a_body_with_a_hole_has_two_rings_of_their_sizes() -> None:
    rings, step = silhouette(TUBE, (0, 2))
    outer, hole = sorted(rings, key=lambda ring: -np.ptp(ring[:, 0]))
    assert np.ptp(outer, axis=0) == pytest.approx((60, 40), abs=2 * step)
    assert outer.mean(axis=0)[1] == pytest.approx(100, abs=5)
    assert np.ptp(hole, axis=0) == pytest.approx((10, 10), abs=2 * step)


def test_every_process_has_a_wall_a_plate_and_a_source_and_none_is_chosen() -> None:
    known = processes()
    assert {"FDM", "SLA", "SLS", "MJF", "metal"} <= set(known)
    assert all(entry.wall_mm > 0 and min(entry.plate_mm) > 50 and entry.source for entry in known.values())
    assert process_named("sla").name == "SLA"
    with pytest.raises(BadInput, match=r"Choose the printing process, .* --process: FDM, SLA"):
        process_named("")


def test_a_users_own_file_adds_and_replaces_and_a_bad_one_says_where(tmp_path: Path) -> None:
    own = tmp_path / "printers.json"
    entry = {"name": "sla", "wall_mm": 0.3, "plate_mm": [100, 60, 150], "source": "our own tests"}
    own.write_text(json.dumps({"processes": [entry, {**entry, "name": "Ours"}]}), encoding="utf-8")
    assert process_named("SLA", own).wall_mm == 0.3 and process_named("ours", own).plate_mm == (100, 60, 150)
    own.write_text(json.dumps({"processes": [{**entry, "wall_mm": -1}]}), encoding="utf-8")
    with pytest.raises(BadInput, match=r"Process 1 of printers\.json cannot be used: wall_mm"):
        processes(own)
    own.write_text("walls", encoding="utf-8")
    with pytest.raises(BadInput, match="no list of printing processes"):
        processes(own)
    with pytest.raises(BadInput, match="cannot be read"):
        processes(tmp_path / "missing.json")


def test_a_3mf_is_read_back_in_place_by_code_that_did_not_write_it(tmp_path: Path) -> None:
    path = tmp_path / "two.3mf"
    moved = Mesh(TUBE.points + np.float32([0, 80, 0]), TUBE.triangles)
    export_meshes([MeshItem("A", TUBE), MeshItem("B", moved)], path)
    one, two = read_3mf(path)
    assert (one.name, two.name) == ("A", "B")
    assert one.mesh.points == pytest.approx(TUBE.points, abs=1e-3)
    assert two.mesh.volume_mm3 == pytest.approx(TUBE.volume_mm3, rel=1e-5)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInput, match="damaged"):
        read_3mf(path)
