"""What starting costs: a script or a server loads neither Qt nor the drawing half of VTK."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "PySide6", "pyvista", "pyvistaqt", "matplotlib", "vtkmodules.vtkRenderingCore", "vtkmodules.vtkRenderingOpenGL2",
    "SimpleITK", "skimage", "trimesh", "nibabel", "reportlab", "numba",
)  # fmt: skip


@pytest.mark.parametrize("module", ["surgitwin.session", "surgitwin.cli"])
def test_importing_it_loads_neither_qt_nor_drawing_nor_the_heavy_libraries(module: str) -> None:
    program = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
