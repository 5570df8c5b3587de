"""From a move of the mouse to the numbers on the screen, while an implant is dragged in the Fit step of the window.

    python benchmarks/implant_drag.py [--moves 100] [--pause-ms 16] [--explain]

An implant of 50,000 triangles lies on a bone of 200,000 and is dragged in a slice, with a mouse move every 16 ms. Each
move waits for the first numbers that are of it or of a later one (a newer place replaces one that waits), and is
counted until the window has painted them. The bounds are 100 ms at the 95th percentile, and 50 ms for the longest hold
of the event loop, from which the time to draw an unchanged 3D frame is subtracted (see ``window_watchdog.py``).

It needs a display; on Linux without one it starts Xvfb.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "gui"), str(ROOT / "packaging"), str(ROOT / "benchmarks")]

from implant_fit import bone, implant  # noqa: E402
from surgitwin.core.mesh import Mesh  # noqa: E402

P95_MS = 100.0


def write_case(path: Path, piece: Mesh, whole: Mesh) -> None:
    """An empty image, the bone as a surface, and the implant on top of it."""
    from surgitwin.core.geometry import Geometry
    from surgitwin.core.identity import ImageIdentity
    from surgitwin.implants.parametric.plain import Sphere
    from surgitwin.scene.arrays import ArrayData
    from surgitwin.scene.nodes import CaseNode, ImplantNode, SurfaceNode, VolumeNode
    from surgitwin.session import Session

    grid = Geometry.from_parts((96, 96, 96), (1.0, 1.0, 1.0), (-47.5, -47.5, -47.5), np.eye(3))
    pose = np.eye(4)
    pose[2, 3] = 34.0
    with Session() as session:
        with session.transaction("New case") as tx:
            case = tx.add(CaseNode(name="Case", pseudonym="Case"))
            voxels = np.zeros(grid.shape_kji, np.int16)
            tx.add(VolumeNode(name="CT", parent=case.id, geometry=grid, voxels=ArrayData.of(voxels), unit="HU",
                              identity=ImageIdentity(modality="CT")))  # fmt: skip
            surface = SurfaceNode(name="Bone", parent=case.id, points=ArrayData.of(whole.points),
                                  triangles=ArrayData.of(whole.triangles))  # fmt: skip
            tx.add(surface)
            tx.add(ImplantNode(name="Implant", parent=case.id, item=Sphere(diameter_mm=22.0).model(),
                               matrix=tuple(pose.reshape(-1).tolist()), onto=surface.id,
                               points=ArrayData.of(piece.points), triangles=ArrayData.of(piece.triangles)))  # fmt: skip
        session.save_as(path)


class Stopwatch:
    """When the mouse moved, and when numbers of which place were painted."""

    def __init__(self, panel: Any) -> None:
        from PySide6.QtCore import QTimer

        self.moves: list[tuple[float, float]] = []
        self.painted: list[tuple[float, float]] = []
        self._timer = QTimer
        panel.hand.fit_changed.connect(self._shown)

    def _shown(self, shown: Any) -> None:
        if shown.fit is not None and shown.pose is not None:
            x = float(shown.pose[0, 3])
            # A timer fires after what is to be painted has been.
            self._timer.singleShot(0, lambda: self.painted.append((x, time.perf_counter())))

    def waits_ms(self) -> list[float]:
        """For each move the time until numbers of it, or of a later one, were painted."""
        found = []
        for x, at in self.moves:
            done = [when for place, when in self.painted if place >= x - 1e-9 and when >= at]
            if done:
                found.append((min(done) - at) * 1000)
        return found


def drag(arguments: argparse.Namespace, folder: Path) -> None:
    from PySide6.QtCore import QEvent, QPointF
    from PySide6.QtWidgets import QApplication
    from steps import open_window

    from surgitwin.implants.placement import pose_of
    from watchdog.hand import Bot, Frames
    from watchdog.listening import SAMPLE_S, Watchdog

    piece, whole = implant(), bone()
    case = folder / "drag.twin"
    write_case(case, piece, whole)
    app = QApplication.instance() or QApplication(["surgitwin"])
    assert isinstance(app, QApplication)
    hand = open_window(Bot(), app, "drag")  # type: ignore[arg-type]
    dog = Watchdog(arguments.explain)
    Frames(hand.window.stage.view3d, dog)
    hand.wait(lambda: gc.get_freeze_count() > 0)  # the start page has made ready what it makes ready
    hand.window.opener.open(case)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.wait_for_3d()
    hand.window.show_step("fit")
    panel, axial = hand.window.fit, hand.window.stage.axial
    hand.wait(lambda: panel.numbers.contact._value.text() != "not assessed", 120)
    node = panel.hand.chosen
    assert node is not None
    hand.desk.move_crosshair(tuple(pose_of(node)[:3, 3]))
    hand.rest()
    watch = Stopwatch(panel)
    start = axial.pixel_of(tuple(pose_of(node)[:3, 3]))
    step = 12.0 * axial.placement.pixels_per_mm / arguments.moves
    busy = time.thread_time()
    with dog.watch("drag an implant"):
        hand.grab(axial, start)
        for number in range(1, arguments.moves + 1):
            hand.qtbot.wait(arguments.pause_ms)
            at = time.perf_counter()
            hand.mouse(axial, QEvent.Type.MouseMove, start + QPointF(step * number, 0))
            watch.moves.append((float(panel.hand.pose[0, 3]), at))
        last = watch.moves[-1][0]
        hand.wait(lambda: any(x >= last - 1e-9 for x, _ in watch.painted))
        busy = (time.thread_time() - busy) * 1000 / arguments.moves
    with dog.watch("let it go"):
        hand.let_go(axial, start + QPointF(step * arguments.moves, 0))
        hand.rest()
    waits = watch.waits_ms()
    print(f"implant {len(piece.triangles)} triangles, bone {len(whole.triangles)}; {len(waits)} moves, one every "
          f"{arguments.pause_ms} ms; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")  # fmt: skip
    print(f"move to numbers: median {statistics.median(waits):.0f} ms, p95 {np.percentile(waits, 95):.0f} ms, most "
          f"{max(waits):.0f} ms (bound {P95_MS:.0f} ms at p95)")  # fmt: skip
    print(f"the main thread computed {busy:.0f} ms for each move, frames of slices and 3D included; numbers painted "
          f"{len(watch.painted)} times")  # fmt: skip
    for action in dog.actions:
        worst = action.worst
        frames = [frame.ms for hold in action.holds for frame in hold.frames]
        told = f"3D frames {statistics.median(frames):.0f} ms in the median" if frames else "no 3D frame in a hold"
        print(f"{action.name}: longest hold {action.counted_ms(worst):.0f} ms counted ({worst.wall_ms:.0f} ms on the "
              f"wall, {worst.cpu_ms:.0f} ms computed); {told}")  # fmt: skip
        for stack, count in worst.stacks.most_common(6):
            print(f"      {count * SAMPLE_S * 1000:5.0f} ms  {stack}")
    dog.close()
    hand.window.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--pause-ms", type=int, default=16)
    parser.add_argument("--explain", action="store_true")
    arguments = parser.parse_args()
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        from devtools.display import virtual_display

        with virtual_display() as display:  # a program of its own, which ends before its display does
            ended = subprocess.run([sys.executable, *sys.argv], env=os.environ | display, check=False)
        raise SystemExit(ended.returncode)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SURGITWIN_CONFIG_DIR"] = os.environ["SURGITWIN_DATA_DIR"] = str(Path(folder) / "user")
        drag(arguments, Path(folder))


if __name__ == "__main__":
    main()
