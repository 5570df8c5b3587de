"""How long from the start of the process until the start page can be seen and used; the bound is 2 s, warm.

    python benchmarks/window_start.py [--runs 5] [--json] [--imports]

Each run is a process of its own that does what ``surgitwin gui`` does, and ends once the start page is painted and the
event loop has come round. ``--imports`` lists what took longest to import. It needs a display; on Linux without one it
starts Xvfb.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packaging"))
BOUND_S = 2.0
LATE = (
    "pyvistaqt",
    "pyvista",
    "vtkmodules.vtkRenderingOpenGL2",
    "trimesh",
    "numba",
    "matplotlib",
    "SimpleITK",
    "skimage",
)

# Nothing is added before the loop runs: `exec` is replaced by one that watches for the first paint.
PROGRAM = f"""
import sys, time
started, result = float(sys.argv[1]), sys.argv[2]
def watched_exec(*_):
    from PySide6.QtCore import QEvent, QObject, QTimer
    from PySide6.QtWidgets import QApplication
    from surgitwin.gui.main_window import MainWindow
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
    class Watch(QObject):
        done = False
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Paint and not self.done:
                self.done = True
                QTimer.singleShot(0, self.finish)
            return False
        def finish(self):
            usable = time.time()
            early = [name for name in {LATE!r} if name in sys.modules]
            with open(result, "w") as out:  # the command line has standard output to itself
                print(usable - started, *early, file=out)
            window.close()
            QApplication.quit()
    watch = Watch()
    window.start_page.open_folder.installEventFilter(watch)
    return run()
from PySide6.QtWidgets import QApplication
run = QApplication.exec
QApplication.exec = watched_exec
from surgitwin.launch import main
sys.argv = ["surgitwin", "gui"]
sys.exit(main())
"""


def one_start(folder: str, importtime: bool = False) -> tuple[float, list[str], str]:
    """Seconds until usable, what was imported that should not be, and what the process wrote to standard error."""
    flags = ["-X", "importtime"] if importtime else []
    environment = os.environ | {"SURGITWIN_CONFIG_DIR": folder, "SURGITWIN_DATA_DIR": folder}
    result = Path(folder) / "result"
    result.unlink(missing_ok=True)
    command = [sys.executable, *flags, "-c", PROGRAM, str(time.time()), str(result)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if not result.exists():
        raise SystemExit(ended.stderr)
    seconds, *early = result.read_text().split()
    return float(seconds), early, ended.stderr


def slowest_imports(text: str, count: int = 25) -> list[tuple[float, str]]:
    """(milliseconds, module) of what took longest itself, from ``-X importtime``."""
    found = [(int(own) / 1000, name.strip()) for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|(.+)", text)]
    return sorted(found, reverse=True)[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--imports", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            from devtools.display import virtual_display

            os.environ.update(stack.enter_context(virtual_display()))
        if arguments.imports:
            for milliseconds, name in slowest_imports(one_start(folder, importtime=True)[2]):
                print(f"{milliseconds:7.1f} ms  {name}")
            return
        one_start(folder)  # the first run warms the disk
        runs = [one_start(folder) for _ in range(arguments.runs)]
    times = [seconds for seconds, _, _ in runs]
    result = {
        "usable_s": round(statistics.median(times), 2),
        "fastest_s": round(min(times), 2),
        "slowest_s": round(max(times), 2),
        "bound_s": BOUND_S,
        "imported_too_early": sorted({name for _, names, _ in runs for name in names}),
        "within_bound": statistics.median(times) < BOUND_S,
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{key:20} {value}" for key, value in result.items()))


if __name__ == "__main__":
    main()
