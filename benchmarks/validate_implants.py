"""How far the numbers of the implant fit are from known truth, as a page of tables.

    python -m benchmarks.validate_implants
    python -m benchmarks.validate_implants --head Cranium.inv3

The shapes are those of the tests, which hold the same numbers to limits. Takes a minute. With ``--head``, a DICOM
folder or a project of InVesalius, skull defects are cut from that head and restored (`head_defects`), which takes two
minutes more; without it the page keeps what it says of a head.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.head_defects import head_tables
from tests.unit.implant_shapes import ball, bone, meshed, pose, socket
from tests.unit.test_implant_pedicle import HALF_WIDE, OBLIQUE, RADIUS, vertebra

from surgitwin.core.geometry import Geometry
from surgitwin.implants.cup import TABLE, Angles, axis_of, cup_angles, pelvic_plane
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.fit import LiveFit
from surgitwin.implants.pedicle import grade_of, screw_fit
from surgitwin.implants.poses import moved, placed, turn
from surgitwin.implants.registration import by_surface
from surgitwin.implants.resting import gap_ml
from surgitwin.implants.shape import Shape
from surgitwin.implants.trajectory import CtPart, path_values

_HEAD_TITLE = re.compile(r"^## Skull defects .*", re.MULTILINE | re.DOTALL)
TARGET = Path(__file__).parent.parent / "docs" / "validation" / "implants.md"
INTRODUCTION = """# Implants: how far the numbers are from known truth

Made by `python -m benchmarks.validate_implants`, with `--head` for its last part; not edited by hand. Everything but
that part is a made shape whose answer is known by a formula; the same checks with limits are in
`tests/unit/test_implant_fit.py`, `test_implant_resting.py`, `test_implant_pedicle.py`, `test_implant_registration.py`,
`test_implant_cup.py`, `test_implant_trajectory.py`, `test_custom_implants.py` and, through the command, in
`tests/integration/test_fit_command.py`. Nothing here says how well a bone was segmented, which is the larger error in a
patient: half a voxel at best. No implant or screw of a patient was compared.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--head", type=Path, help="the CT of a head: a DICOM folder, or an .inv3 project")
    chosen = parser.parse_args()
    lines = [INTRODUCTION]
    for part in (spheres, screws, recovery, cups, path_hu):
        lines += [*part(), ""]
    if chosen.head is not None:
        lines += [*head_tables(chosen.head), ""]
    elif chosen.out.is_file():
        kept = next(iter(_HEAD_TITLE.findall(chosen.out.read_text("utf-8"))), "")
        lines += [kept.rstrip(), ""] if kept else []
    chosen.out.write_text("\n".join(lines), encoding="utf-8")
    print(f"written: {chosen.out}")


def spheres() -> Iterator[str]:
    yield "## A ball in a spherical socket\n"
    yield "Radius of the socket 30 mm, balls concentric with it, all made of facets about 1 mm long. The last"
    yield "ring of the ball's triangles reaches over the rim, which is nearest from there: this adds to the mean,"
    yield "and is the largest.\n"
    yield "| ball | truth everywhere | mean gap | p95 | largest, over the rim | gap volume | truth |"
    yield "|---|---|---|---|---|---|---|"
    hollow = socket(30.0)
    for radius in (29.8, 29.4, 29.0):
        live, here = LiveFit(ball(radius, 5), hollow), np.eye(4)
        near, fit = live.distances(here), live.at(here)
        gap, found = fit.gap_mm, gap_ml(live, here, near, fit)
        assert gap is not None
        volume = 2 / 3 * np.pi * (30.0**3 - radius**3) / 1000
        row = f"| {radius} mm | {30.0 - radius:.3f} mm | {gap.mean:.3f} mm | {gap.p95:.3f} mm | {gap.max:.3f} mm "
        yield row + f"| {found:.3f} ml | {volume:.3f} ml |"
    yield "\nA ball of 29.5 mm pushed 0.8 mm into it: 0.3 mm inside at the pole, inside up to 51.3 degrees from it.\n"
    yield "| | found | truth |\n|---|---|---|"
    fit = LiveFit(ball(29.5, 5), hollow).at(pose(at=(0, 0, -0.8)))
    yield f"| deepest | {fit.penetration_mm.max:.3f} mm | 0.300 mm |"
    yield f"| of the ball's surface | {fit.inside_percent:.1f} % | {50 * (1 - 0.5 / 0.8):.1f} % |"


def screws() -> Iterator[str]:
    yield "## Pedicle screws\n"
    yield "A screw of 6 mm parallel to the axis of a pedicle of 12 mm with flat sides, left and right, in a straight"
    yield "and in an oblique vertebra: four screws a row. Exactly 2 mm is C.\n"
    yield "| off the middle | breach, truth | furthest found from it | grades found | truth | directions |"
    yield "|---|---|---|---|---|---|"
    whole = vertebra()
    bones = {"straight": DistanceTo(whole), "oblique": DistanceTo(placed(whole, OBLIQUE))}
    for off in (-9.5, -8.0, -6.9, -5.0, -4.5, 0.0, 4.5, 5.0, 6.9):
        true = max(0.0, abs(off) + RADIUS - HALF_WIDE)
        found: list[Any] = []
        for side in (-1, 1):
            x = side * (14 + off)
            ends, up = np.array([[x, 27.0, 0], [x, -15.0, 0]]), (0.0, 0.0, 1.0)
            found.append(screw_fit(bones["straight"], *ends, RADIUS, voxel_mm=0.5, up=up))
            found.append(screw_fit(bones["oblique"], *moved(ends, OBLIQUE), RADIUS, voxel_mm=0.5, up=OBLIQUE[:3, 2]))
        worst = max(abs(one.breach_mm - true) for one in found)
        ways = sorted({str(one.direction) for one in found}) if off else ["any: equally near on all sides"]
        way = "medial" if off < 0 else "lateral" if off else "(in the middle)"
        grades = ", ".join(sorted({one.grade for one in found}))
        row = f"| {abs(off):g} mm {way} | {true:.1f} mm | {worst:.4f} mm | {grades} "
        yield row + f"| {grade_of(true)} | {', '.join(ways)} |"


def recovery() -> Iterator[str]:
    yield "## Surface registration (ICP) of a known pose\n"
    yield "A lump of 60 mm without symmetry, started off by a turn and a shift. The error is that of its points, not"
    yield "of its pairs. Other triangles: the same lump in four times as many, whose facets lie up to 0.1 mm beside the"
    yield "others.\n"
    yield "| triangles | started off by | largest error of a point | RMS told |"
    yield "|---|---|---|---|"
    known = pose(turn((0.4, -1.0, 0.3), 0.9), (31.0, -12.0, 140.0))
    fixed = DistanceTo(placed(bone(), known))
    for name, lump in (("the same", bone()), ("others", bone(5))):
        for angle, shift in ((3.0, 1.0), (8.0, 2.0), (15.0, 3.0), (20.0, 5.0)):
            way = np.array([2.0, -1.5, 1.0]) / np.linalg.norm([2.0, -1.5, 1.0]) * shift
            start = known @ pose(turn((1, 2, -1), float(np.radians(angle))), (way[0], way[1], way[2]))
            found = by_surface(Shape.of(lump), fixed, start, match="same", within_mm=30.0)
            away = np.linalg.norm(moved(lump.points, found.matrix) - moved(lump.points, known), axis=1).max()
            yield f"| {name} | {angle:g} degrees, {shift:g} mm | {away:.4f} mm | {found.rms_mm:.4f} mm |"


def cups() -> Iterator[str]:
    yield "## Cup angles\n"
    yield "Turned from the radiographic angles in a pelvis tilted by 12 degrees; the others against Murray's"
    yield "conversions, on both sides.\n"
    yield "| radiographic | operative, truth | found | anatomic, truth | found | left = right |"
    yield "|---|---|---|---|---|---|"
    places = {"asis_right": (-120, -80, 60), "asis_left": (120, -80, 60),
              "pubic_tubercle_right": (-25, -80, -30), "pubic_tubercle_left": (25, -80, -30)}  # fmt: skip
    frame = pelvic_plane({name: turn((1, 0, 0), float(np.radians(12))) @ np.array(at) for name, at in places.items()})
    for inclination, anteversion in ((40.0, 15.0), (45.0, 20.0), (30.0, 5.0), (60.0, 30.0)):
        i, a = np.radians([inclination, anteversion])
        operative = np.degrees([np.arcsin(np.sin(i) * np.cos(a)), np.arctan(np.tan(a) / np.cos(i))])
        anatomic = np.degrees([np.arccos(np.cos(i) * np.cos(a)), np.arctan(np.tan(a) / np.sin(i))])
        wanted = Angles(inclination, anteversion)
        right = cup_angles(axis_of(wanted, "right", frame), "right", frame)
        left = cup_angles(axis_of(wanted, "left", frame), "left", frame)
        apart = max(abs(np.subtract(pair(getattr(left, key)), pair(getattr(right, key)))).max()
                    for key in ("radiographic", "operative", "anatomic"))  # fmt: skip
        row = (
            f"| {two((inclination, anteversion))} | {two(operative)} | {two(pair(right.operative))} | {two(anatomic)} "
        )
        yield row + f"| {two(pair(right.anatomic))} | {'yes' if apart < 1e-9 else f'{apart:.1e} degrees apart'} |"
    tilted = cup_angles(axis_of(Angles(40.0, 15.0), "right", frame), "right", TABLE)
    assert frame.tilt_deg is not None
    told = two(pair(tilted.radiographic))
    yield f"\nPelvic tilt: told {frame.tilt_deg:.2f}, truth 12.00 degrees. The first cup in the CT table's frame,"
    yield f"radiographic: {told}."


def pair(angles: Angles) -> tuple[float, float]:
    return angles.inclination_deg, angles.anteversion_deg


def two(values: Any) -> str:
    return f"{values[0]:.2f}° / {values[1]:.2f}°"


def path_hu() -> Iterator[str]:
    yield "## HU along a screw\n"
    yield "An image that rises evenly by 6.2 HU per mm, voxels of 0.9 x 0.8 x 1.7 mm, a path of 25 mm and 6 mm thick.\n"
    yield "| grid | mean | truth | sd | truth |\n|---|---|---|---|---|"
    import trimesh

    rise, entry, tip = np.array([3.0, -5.0, 2.0]), np.array([6.0, 9.0, -8.0]), np.array([-7.0, -8.0, 5.0])
    block = DistanceTo(meshed(trimesh.creation.box((30, 30, 30))))
    length = float(np.linalg.norm(tip - entry))
    axis = (tip - entry) / length
    across = float(np.linalg.norm(rise - (rise @ axis) * axis))
    mean, sd = 150 + rise @ (entry + tip) / 2, np.hypot(rise @ axis * length / np.sqrt(12), across * 1.5)
    oblique = turn((0.3, -0.5, 1.0), 0.6)
    for name, way in (("straight", np.eye(3)), ("flipped", np.diag([-1.0, 1, -1])), ("oblique", oblique),
                      ("oblique, left-handed", oblique @ np.diag([1.0, 1, -1]))):  # fmt: skip
        grid = Geometry.from_parts((81, 83, 47), (0.9, 0.8, 1.7), (0, 0, 0), way)
        grid = Geometry.from_parts((81, 83, 47), (0.9, 0.8, 1.7), -grid.centre_mm, way)
        k, j, i = np.indices(grid.shape_kji)
        voxels = 150 + grid.to_lps(np.stack([i, j, k], axis=-1)) @ rise
        part = CtPart.around(voxels, grid, block.mesh.points, "CT")
        assert part is not None
        found = path_values(part, block, entry, tip, 3.0)
        assert found is not None
        yield f"| {name} | {found.mean:.3f} | {mean:.3f} | {found.sd:.3f} | {sd:.3f} |"


if __name__ == "__main__":
    main()
