"""The HTML file opens in a real browser: it draws, keeps left on its side, and nothing in a name becomes a tag."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.exchange.html_viewer import LARGEST_ERROR_MM, packed_mesh, page_of
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from terminal import done

SETTINGS = PhantomSettings(size_ijk=(150, 130, 96), seed=3, portal_terminals=20, hepatic_terminals=20)
BROWSER = shutil.which("chromium")
EVIL = "</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    case, out = folder / "case.twin", folder / "twin.html"
    done("new", case, folder / "in" / "dicom", "--pseudonym", "Case H")
    labels = folder / "in" / "labels"
    done("add", case, f"{labels}.nii.gz", "--as", "labelmap", "--labels", f"{labels}.json")
    done("export", case, out, "--segment", "Left kidney", "--segment", "Right kidney")
    return out


def document_of(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8").split('id="twin">')[1].split("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def browse(page: Path, *words: str) -> str:
    if BROWSER is None:
        pytest.skip("there is no Chromium to open the page with; install the package chromium")
    profile = page.parent / "profile"
    command = [BROWSER, "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    command += [f"--user-data-dir={profile}", "--window-size=1200,800", "--virtual-time-budget=6000", *words]
    return subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_left_kidney_is_drawn_on_the_right_of_the_picture_from_the_front(page: Path, tmp_path: Path) -> None:
    document = document_of(page)
    for item, color in zip(document["tree"][0]["items"], ((255, 0, 0), (0, 255, 0)), strict=True):
        item["color"] = color
    coloured, picture = tmp_path / "coloured.html", tmp_path / "picture.png"
    coloured.write_text(page_of(document), encoding="utf-8")

    browse(coloured, f"--screenshot={picture}")

    middle = np.asarray(Image.open(picture).convert("RGB"), dtype=np.int16)[100:650, 300:840]
    red = (middle[..., 0] > middle[..., 1] + 90) & (middle[..., 0] > middle[..., 2] + 90)
    green = (middle[..., 1] > middle[..., 0] + 90) & (middle[..., 1] > middle[..., 2] + 90)
    assert [item["name"] for item in document["tree"][0]["items"]] == ["Left kidney", "Right kidney"]
    assert red.sum() > 2000 and green.sum() > 2000
    assert np.flatnonzero(red.any(axis=0)).mean() > np.flatnonzero(green.any(axis=0)).mean() + 50


def test_a_name_that_is_a_script_stays_text(page: Path, tmp_path: Path) -> None:
    document = document_of(page)
    document["tree"][0]["items"][0]["name"] = EVIL
    evil = tmp_path / "evil.html"
    evil.write_text(page_of(document), encoding="utf-8")

    assert EVIL not in evil.read_text(encoding="utf-8")
    dom = browse(evil, "--dump-dom")
    assert "owned" not in dom.split("<title>")[1].split("</title>")[0]
    assert "<img" not in dom.split('id="left"')[1].split("</aside>")[0]
    assert 'data-ready="drawn"' in dom


def test_the_page_may_load_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert "default-src 'none'; script-src 'sha256-" in text
    assert "src=" not in text.split("<body>")[1].split('<script type="application/json"')[0]


def test_rounding_moves_no_point_by_more_than_is_said() -> None:
    import base64

    points = np.random.default_rng(1).uniform(-200, 200, (500, 3)).astype(np.float32)
    packed = packed_mesh(Mesh(points, np.arange(498, dtype=np.int32).reshape(-1, 3)), closed=False)

    steps = np.frombuffer(base64.b64decode(packed["points"]), "<u2").reshape(-1, 3)
    back = np.array(packed["low"]) + steps * np.array(packed["step"])
    assert np.linalg.norm(back - points, axis=1).max() < LARGEST_ERROR_MM
