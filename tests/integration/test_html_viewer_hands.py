"""The HTML page in a browser that is driven: what hands do to the picture, which numbers it shows, and it is alone."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from chromium import NO_3D, Chromium, Pixels
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.exchange.html_viewer import packed_mesh, page_of
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from surgitwin.scene.nodes import ImplantNode, SegmentationNode, VolumeNode
from surgitwin.session import Session
from terminal import done

SETTINGS = PhantomSettings(size_ijk=(150, 130, 96), seed=3, portal_terminals=20, hepatic_terminals=20)
SHOWN = ("Liver", "Left kidney", "Right kidney", "Right lung")
RULER_MM = ((-60.0, -20.0, 0.0), (-20.0, -20.0, 30.0))
BALL_MM, BALL_RADIUS_MM = (60.0, -20.0, -40.0), 15.0
BOX_MM, BOX_SIZE_MM = (60.0, 0.0, 60.0), (20.0, 30.0, 40.0)


@dataclass(frozen=True)
class Site:
    page: Path
    unsure: Path
    case: Path
    plans: dict[str, dict[str, Any]]
    measured: dict[str, dict[str, Any]]
    simulated: dict[str, Any]
    fitted: dict[str, Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    case, page, unsure = folder / "case.twin", folder / "twin.html", folder / "unsure.html"
    done("new", case, folder / "in" / "dicom", "--pseudonym", "Case H")
    labels = folder / "in" / "labels"
    done("add", case, f"{labels}.nii.gz", "--as", "labelmap", "--labels", f"{labels}.json")
    plans = {
        name: done("plan", case, name, "--organ", "Liver", "--plane", f"{x},0,0,-1,0,0")
        for name, x in (("Half", -60), ("Third", -100))
    }
    ends = [word for point in RULER_MM for word in ("--at", words_of(point))]
    corners = ("60,0,-60", "100,0,-60", "60,0,-90")
    asked = {
        "Line": ("ruler", *ends),
        "Ball": ("sphere", "--at", words_of(BALL_MM), "--radius-mm", BALL_RADIUS_MM),
        "Box": ("box", "--at", words_of(BOX_MM), "--size-mm", *BOX_SIZE_MM),
        "Patch": ("area", *(word for at in corners for word in ("--at", at))),
    }
    measured = {name: done("measure", case, *words, "--name", name) for name, words in asked.items()}
    done("implant", case, "bone-screw/3.5x40", "--name", "Screw", "--at", "0,0,-60")
    fitted = done("fit", case, "--implant", "Screw", "--onto", "Vertebra L2")
    simulated = done("simulate", case, "portal-pressure", "--plan", "Half", "--set", "samples=200")
    chosen = [word for name in SHOWN for word in ("--segment", name)]
    done("export", case, page, *chosen, "--implant", "Screw")
    done("segment", case, "smooth", "--into", "Liver", "--set", "mm=4")
    with Session.open(case) as session:
        with session.transaction("Side") as tx:
            (volume,), (screw,) = session.scene.of_type(VolumeNode), session.scene.of_type(ImplantNode)
            tx.set(session.scene.of_type(SegmentationNode)[0].id, side_known=False)
            tx.set(volume.id, notices=(Notice("slices-missing", "Slices are missing after 'Mueller Anna.dcm'."),))
            tx.set(screw.id, item=screw.item.model_copy(update={"patient_specific": True, "generic": False}))
        session.run("export", out=unsure, segment=("Liver",), implant=("Screw",))
    return Site(page, unsure, case, plans, measured, simulated, fitted)


def words_of(point: tuple[float, ...]) -> str:
    return ",".join(str(value) for value in point)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def shown(browser: Chromium, site: Site) -> Chromium:
    """The page from the front, nothing cut, no plan, no measurements: the organs alone."""
    assert browser.open(site.page) == "drawn"
    press(browser, "input[name=plan][value='']")
    for name in site.measured:
        press(browser, named(f"Show {name}"))
    return browser


def named(label: str) -> str:
    return f'[aria-label="{label}"]'


def press(browser: Chromium, selector: str) -> None:
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def slide(browser: Chromium, selector: str, value: float) -> None:
    browser.run(
        f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.value = {value};"
        'one.dispatchEvent(new Event("input", { bubbles: true })); })()'
    )


def text_of(browser: Chromium, selector: str) -> str:
    return str(browser.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")).replace("\xa0", " ")


def keep(name: str) -> Path | None:
    """Where a person finds the picture, if that was asked for."""
    folder = os.environ.get("SURGITWIN_SCREENSHOTS")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / name


class Front:
    """Where LPS points are in the picture from the front, found from the scale bar and the file alone."""

    def __init__(self, browser: Chromium, page: Path) -> None:
        self.document = json.loads(page.read_text(encoding="utf-8").split('id="twin">')[1].split("</script>")[0])
        items = [item for group in self.document["tree"] for item in group["items"]]
        self.boxes = {item["name"]: box_of(self.document["meshes"][item["mesh"]]) for item in items}
        seen = [self.boxes[item["name"]] for item in items if item["visible"]]
        low, high = np.min([box[0] for box in seen], axis=0), np.max([box[1] for box in seen], axis=0)
        self.middle = (low + high) / 2
        view = browser.run("(({ left, top, width, height }) => [left, top, width, height])"
                           "(document.getElementById('view').getBoundingClientRect())")  # fmt: skip
        self.left, self.top, self.width, self.height = view
        amount, unit = text_of(browser, "#scale-text").split()
        bar = browser.run("document.getElementById('scale-bar').getBoundingClientRect().width")
        self.pixels_per_mm = bar / (float(amount) * (10 if unit == "cm" else 1))

    def place(self, point: tuple[float, ...]) -> tuple[float, float]:
        """Column and row of the page: the patient's left is on the right, the head above."""
        across, up = point[0] - self.middle[0], point[2] - self.middle[2]
        column = self.left + self.width / 2 + across * self.pixels_per_mm
        return column, self.top + self.height / 2 - up * self.pixels_per_mm

    def inside(self, picture: Pixels) -> Pixels:
        """The part of a picture that only bodies paint: no buttons, letters, scale or figure."""
        row, column = int(self.top), int(self.left)
        return picture[row + 70 : row + int(self.height) - 125, column + 35 : column + int(self.width) - 35]

    def changed(self, one: Pixels, other: Pixels) -> NDArray[np.intp]:
        """[n, 2] column and row in the page of what differs."""
        differs = np.abs(self.inside(one) - self.inside(other)).max(axis=2) > 8
        return np.argwhere(differs)[:, ::-1] + (int(self.left) + 35, int(self.top) + 70)


def box_of(mesh: dict[str, Any]) -> NDArray[np.float64]:
    steps = np.frombuffer(base64.b64decode(mesh["points"]), "<u2").reshape(-1, 3)
    return np.array(mesh["low"]) + np.array([steps.min(axis=0), steps.max(axis=0)]) * np.array(mesh["step"])


def test_hiding_and_fading_a_kidney_change_the_picture_there_and_nowhere_else(shown: Chromium, site: Site) -> None:
    front = Front(shown, site.page)
    before = shown.picture()
    press(shown, named("Show Left kidney"))
    hidden = shown.picture()
    press(shown, named("Show Left kidney"))
    again = shown.picture()
    slide(shown, named("Opacity of Left kidney"), 30)
    faded = shown.picture()

    low, high = front.boxes["Left kidney"]
    left, bottom = front.place(tuple(low))
    right, top = front.place(tuple(high))
    assert not len(front.changed(before, again))
    for picture in (hidden, faded):
        where = front.changed(before, picture)
        assert len(where) > 1000
        assert left - 2 <= where[:, 0].min() and where[:, 0].max() <= right + 2
        assert top - 2 <= where[:, 1].min() and where[:, 1].max() <= bottom + 2
    assert np.ptp(front.changed(before, hidden)[:, 0]) > 0.9 * (right - left)
    assert len(front.changed(hidden, faded)) > 1000


def test_the_cut_plane_takes_the_side_away_that_it_says(shown: Chromium, site: Site) -> None:
    front = Front(shown, site.page)
    place_mm = round(front.boxes["Liver"].mean(axis=0)[0])
    column = front.place((place_mm, 0.0, 0.0))[0]
    whole = shown.picture()
    shown.run("(() => { const one = document.getElementById('cut-axis'); one.value = 'x';"
              " one.dispatchEvent(new Event('change')); })()")  # fmt: skip
    slide(shown, "#cut-place", place_mm)
    cut = shown.picture()
    press(shown, "#cut-flip")
    flipped = shown.picture(keep("viewer-cut.png"))
    press(shown, "#cut-on")
    off = shown.picture()

    assert text_of(shown, "#cut-text") == f"{abs(place_mm):.1f} mm {'R' if place_mm < 0 else 'L'}"
    gone, other = front.changed(whole, cut)[:, 0], front.changed(whole, flipped)[:, 0]
    assert len(gone) > 5000 and gone.max() <= column + 2  # what stays is the patient's left
    assert len(other) > 5000 and other.min() >= column - 2
    inner = front.inside(cut)[:, : int(column - front.left - 35) - 2]
    assert len(np.unique(inner.reshape(-1, 3), axis=0)) == 1  # nothing but background
    assert not len(front.changed(whole, off))


def test_each_plan_shows_the_numbers_of_its_document_and_its_own_cut(shown: Chromium, site: Site) -> None:
    front = Front(shown, site.page)
    pictures = {}
    for plan in front.document["plans"]:
        press(shown, f"input[name=plan][value='{plan['id']}']")
        numbers = site.plans[plan["name"]]
        opened = shown.run("[...document.querySelectorAll('#right details[open]')].map((one) => one.innerText)")
        texts = [text.replace("\xa0", " ") for text in opened if text.startswith(plan["name"])]
        assert len(texts) == 1
        volumes = dict(re.findall(r"(Organ volume|Removed|Remnant)\t([\d.]+) ml", texts[0]))
        assert {key: float(value) for key, value in volumes.items()} == pytest.approx(
            {"Organ volume": numbers["organ_ml"], "Removed": numbers["removed_ml"], "Remnant": numbers["remnant_ml"]},
            abs=0.51,
        )
        share = re.search(r"Future liver remnant \(FLR\)\t([\d.]+) %", texts[0])
        assert share is not None and float(share[1]) == pytest.approx(numbers["flr_percent"], abs=0.051)
        assert "DRAFT" in texts[0] and "not assessed" in texts[0]
        pictures[plan["name"]] = shown.picture(keep(f"viewer-plan-{plan['name'].lower()}.png"))
    columns = front.changed(pictures["Half"], pictures["Third"])[:, 0]
    # They differ in what lies between their planes; elsewhere what one sees through is only mixed in another order.
    between = (columns >= front.place((-100.0, 0, 0))[0] - 3) & (columns <= front.place((-60.0, 0, 0))[0] + 3)
    assert between.sum() > 1000 and between.mean() > 0.9


def test_measurements_are_listed_with_their_value_and_drawn_where_they_are(shown: Chromium, site: Site) -> None:
    front = Front(shown, site.page)
    for name in site.measured:
        press(shown, named(f"Show {name}"))
    shown.picture(keep("viewer-measurements.png"))
    rows = shown.run("[...document.querySelectorAll('.measured li')].map((one) => one.innerText)")
    drawn = shown.run("document.getElementById('marks').textContent")
    shapes = shown.run(
        "[...document.querySelectorAll('#marks circle.mark-line, #marks polyline.mark-line')].map((one) =>"
        " [one.getAttribute('points'), one.getAttribute('cx'), one.getAttribute('cy'), one.getAttribute('r')])"
    )

    for name, document in site.measured.items():
        row = next(row for row in rows if row.startswith(name))
        assert document["text"] in row and document["how"] in row
        assert f"{name} · {document['text']}" in drawn
    lines = [np.array([pair.split(",") for pair in one[0].split()], float) for one in shapes if one[0]]
    corner = (front.left, front.top)
    ruler = [front.place(point) for point in RULER_MM] - np.array(corner)
    assert any(line.shape == (2, 2) and np.allclose(line, ruler, atol=1.5) for line in lines)
    ball = next(one for one in shapes if one[3])
    centre = np.array(front.place(BALL_MM)) - corner
    assert np.allclose([float(ball[1]), float(ball[2])], centre, atol=1.5)
    assert float(ball[3]) == pytest.approx(BALL_RADIUS_MM * front.pixels_per_mm, rel=0.02)
    low, high = (np.array(BOX_MM) + sign * np.array(BOX_SIZE_MM) / 2 for sign in (-1, 1))
    box = np.array([front.place(tuple(low)), front.place(tuple(high))]) - corner
    edges = [line for line in lines if line.shape == (2, 2)]
    assert sum(1 for line in edges if np.allclose(sorted(line[:, 0]), sorted(box[:, 0]), atol=1.5)) == 4
    assert sum(1 for line in edges if np.allclose(sorted(line[:, 1]), sorted(box[:, 1]), atol=1.5)) == 4
    assert shown.run("document.querySelectorAll('#marks polygon.mark-area').length") == 1


def test_the_ruler_measures_on_what_is_seen_the_surface_or_the_face_of_the_cut(
    browser: Chromium, site: Site, tmp_path: Path
) -> None:
    corners = np.array([[x, y, z] for x in (-60.0, 60.0) for y in (-40.0, 40.0) for z in (-50.0, 50.0)])
    corners[:, 1] += 0.5 * corners[:, 0]  # front and back slant, so that depth counts
    slanting = trimesh.convex.convex_hull(corners)
    body = Mesh(slanting.vertices.astype(np.float32), slanting.faces.astype(np.int32))
    document = Front(browser, site.page).document if browser.open(site.page) else {}
    item = document["tree"][0]["items"][0] | {"mesh": 0, "visible": True, "opacity": 1.0}
    document["tree"] = [{"name": "Bodies", "items": [item]}]
    document |= {"meshes": [packed_mesh(body, closed=True)], "plans": [], "results": [], "measurements": []}
    document |= {"shown_plan": None, "hidden_by_plans": {}}
    page = tmp_path / "slanting.html"
    page.write_text(page_of(document), encoding="utf-8")
    browser.open(page)
    front = Front(browser, page)

    def between(*ends: tuple[float, float, float]) -> float:
        for end in ends:
            browser.click(*front.place(end))
        return float(text_of(browser, "#ruler-text").split()[1])

    press(browser, "#ruler")
    on_surface = between((-40.0, 0.0, -20.0), (30.0, 0.0, 25.0))
    slide(browser, "#cut-place", 0.0)
    on_cut = between((-40.0, 0.0, -20.0), (30.0, 0.0, 25.0))
    browser.click(*front.place((0.0, 0.0, 58.0)))

    assert on_surface == pytest.approx(np.sqrt(70.0**2 + 35.0**2 + 45.0**2), abs=1.0)
    assert on_cut == pytest.approx(np.sqrt(70.0**2 + 45.0**2), abs=1.0)
    assert text_of(browser, "#view-note").startswith("There is nothing under the pointer")


def test_results_say_simulated_with_interval_and_limits_and_implants_say_what_they_are(
    shown: Chromium, site: Site
) -> None:
    right = shown.run("document.getElementById('right').textContent")
    left = shown.run("document.getElementById('left').textContent")
    main = site.simulated["outputs"][site.simulated["main"][0]]

    assert f"{site.fitted['contact_percent']:.1f}\xa0%Contact" in right and right.count("generic, not a product") == 1
    assert "SIMULATED" in right and "90 % interval" in right
    assert main["title"] in right
    assert all(limit["author"] in right for limit in site.simulated["thresholds"] if limit["limit"] is not None)
    assert "Screw" in left and "generic, not a product" in left
    assert "CUT OFF" in left and "The image's edge cuts these off" in right
    assert "DRAFT" not in left and "drafts" in left


def test_the_keyboard_reaches_and_works_everything(shown: Chromium, site: Site) -> None:
    tab = {"code": "Tab", "windowsVirtualKeyCode": 9}
    before = shown.picture()
    reached = set()
    for _ in range(60):
        shown.key("Tab", **tab)
        reached.add(
            shown.run(
                "(({ id, ariaLabel, name, tagName }) => id || ariaLabel || name || tagName)(document.activeElement)"
            )
        )
        if {"canvas", "cut-on", "cut-place", "ruler", "plan", "Show Liver", "Opacity of Liver"} <= reached:
            break
    else:
        raise AssertionError(f"the Tab key reaches only {sorted(reached)}")
    shown.run("document.getElementById('canvas').focus()")
    shown.key("p")
    behind = shown.picture()
    shown.key("ArrowLeft")
    turned = shown.picture()
    shown.key("a")
    front = shown.picture()
    shown.run(f"document.querySelector('{named('Show Liver')}').focus()")
    shown.key(" ", code="Space", windowsVirtualKeyCode=32, text=" ")

    assert np.abs(before - behind).max() > 50 and np.abs(behind - turned).max() > 50
    assert np.abs(front[100:600, 320:820] - before[100:600, 320:820]).max() == 0
    assert shown.run(f"document.querySelector('{named('Show Liver')}').checked") is False


def test_a_stale_plan_is_not_drawn_and_what_follows_from_it_says_stale(browser: Chromium, site: Site) -> None:
    browser.open(site.unsure)
    right = text_of(browser, "#right")

    assert browser.run("[...document.querySelectorAll('input[name=plan]')].map((one) => one.disabled)") == [
        True, True, False
    ]  # fmt: skip
    assert right.count("Not drawn: plan it again") == 2
    # Two plans, each where it is chosen and where its numbers are; the result; the fit of the implant that was changed.
    assert right.count("STALE") == 6
    assert "Half: Removed" not in text_of(browser, "#left")


def test_what_was_found_of_the_images_is_said_without_names_of_files(browser: Chromium, site: Site) -> None:
    browser.open(site.unsure)
    right, left = (browser.run(f"document.getElementById('{side}').textContent") for side in ("right", "left"))

    assert "Slices are missing after" in right
    assert "Mueller" not in site.unsure.read_text(encoding="utf-8")
    assert "planning model, not for use in a patient" in left


def test_an_unknown_side_is_said_and_every_letter_of_a_side_is_in_doubt(browser: Chromium, site: Site) -> None:
    browser.open(site.unsure)
    browser.picture(keep("viewer-side-unknown.png"))

    assert "Side unknown: nobody confirmed left and right." in text_of(browser, "#notices")
    assert set(browser.run("[...document.querySelectorAll('.side')].map((one) => one.textContent)")) == {
        "L?", "R?", "S?", "I?"
    }  # fmt: skip


@pytest.mark.parametrize(("width", "height", "phone", "light"), [(1400, 900, False, True), (390, 844, True, False)])
def test_it_fits_desks_and_phones(
    browser: Chromium, site: Site, width: int, height: int, phone: bool, light: bool
) -> None:
    browser.open(site.page, width=width, height=height, phone=phone, light=light)
    browser.picture(keep(f"viewer-{'phone' if phone else 'desk'}-{'light' if light else 'dark'}.png"))

    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.getElementById('view').getBoundingClientRect().height") > 300


def test_without_webgl_the_numbers_are_there_and_a_sentence_says_why_the_picture_is_not(
    site: Site, tmp_path: Path
) -> None:
    with Chromium(tmp_path / "profile", *NO_3D) as blind:
        assert blind.open(site.page) == "numbers"
        assert "WebGL is missing or switched off" in text_of(blind, "#view-note")
        assert f"{site.plans['Half']['remnant_ml']:.0f} ml" in text_of(blind, "#right")
        blind.picture(keep("viewer-without-webgl.png"))


def test_nothing_was_asked_of_a_network_and_nothing_went_wrong(shown: Chromium, site: Site) -> None:
    asked = [address for address in shown.requests if not address.startswith("about:")]

    assert site.page.as_uri() in asked
    assert all(address.startswith("file:") and address.endswith(".html") for address in asked)
    assert shown.complaints == []
