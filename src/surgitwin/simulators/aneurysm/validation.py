"""Shape of a sac against bodies whose indices are known on paper."""

from __future__ import annotations

from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.closing import close_sac
from surgitwin.simulators.aneurysm.morphology import measure
from surgitwin.simulators.aneurysm.plane import NeckPlane
from surgitwin.simulators.checks import Check, near

PAPER = tr("answer on paper")


def aneurysm_checks() -> tuple[Check, ...]:
    """A ball of 3 mm radius, cut by a neck plane through its middle and close to its end."""
    import trimesh

    made = trimesh.creation.icosphere(subdivisions=6, radius=3.0)
    ball = Mesh(made.vertices, made.faces)
    half = measure(close_sac(ball, NeckPlane.of((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))))
    whole = measure(close_sac(ball, NeckPlane.of((0.0, 0.0, -2.999), (0.0, 0.0, 1.0))))
    return (
        near(tr("Non-sphericity of a hemisphere"), half.nonsphericity_index, 0.0, 1e-3, "", "analytic", PAPER),
        near(tr("Ellipticity of a hemisphere"), half.ellipticity_index, 0.0, 1e-3, "", "analytic", PAPER),
        near(tr("Undulation of a hemisphere"), half.undulation_index, 0.0, 1e-4, "", "analytic", PAPER),
        near(tr("Aspect ratio of a hemisphere"), half.aspect_ratio, 0.5, 1e-3, "", "analytic", PAPER),
        near(
            tr("Non-sphericity of a ball with hardly any neck"),
            whole.nonsphericity_index,
            0.2063,
            2e-3,
            "",
            "analytic",
            PAPER,
            decimals=3,
        ),
    )
