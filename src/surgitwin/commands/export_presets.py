"""What an export needs beside segments: implants with what must be said of them, and triangle budgets of devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from surgitwin.commands.base import Document
from surgitwin.commands.mesh_files import side_warning
from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import ImplantModel, ImplantNode, SegmentNode, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.mesh_files import NamedMesh

Result = TypeVar("Result")
Preset = Literal["hololens", "mobile", "web"]
# Fewer triangles than this in all. HoloLens 2 and mobile: ScopeAR's limits for a scene; web: our own choice, a file of
# about 7 MB.
BUDGETS: dict[Preset, int] = {"hololens": 800_000, "mobile": 1_200_000, "web": 300_000}
PRESET_SUFFIXES: dict[Preset, tuple[str, ...]] = {
    "hololens": (".glb",),
    "mobile": (".glb", ".usdz"),
    "web": (".glb",),
}
_FLOOR = 2_000  # a small structure keeps so many, or its own if it has fewer


def check_preset(preset: Preset, suffix: str) -> None:
    """Refuse a kind of file that the preset's device does not open.

    Raises
    ------
    BadInput
        With the kinds that it does.
    """
    if suffix not in PRESET_SUFFIXES[preset]:
        message = tr("The preset {preset} writes {known} files, not {suffix}.")
        raise BadInput(message.format(preset=preset, known=" / ".join(PRESET_SUFFIXES[preset]), suffix=suffix))


def side_warnings(scene: Scene, nodes: Sequence[SegmentNode | SurfaceNode | VolumeNode]) -> list[Document]:
    """One warning if nobody confirmed which side of what is exported is left: the files cannot say so."""
    for node in nodes:
        sided = scene.segmentation_of(node) if isinstance(node, SegmentNode) else node
        if not sided.side_known:
            return [side_warning(node.name)]
    return []


def remark_of(item: ImplantModel) -> str:
    """What a file must say of an implant."""
    said = []
    if item.patient_specific:
        said.append(tr("planning model, not for use in a patient"))
    if item.generic:
        said.append(tr("generic, not a product"))
    return "; ".join(said)


def implant_mesh(node: ImplantNode) -> Mesh:
    """The implant where it lies, LPS mm."""
    matrix = np.array(node.matrix, dtype=np.float64).reshape(4, 4)
    points = node.points.frozen().astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return Mesh(points.astype(np.float32), node.triangles.frozen())


def within_budget(meshes: list[NamedMesh], preset: Preset, ctx: Context) -> tuple[list[NamedMesh], Document]:
    """The meshes with fewer triangles than the preset's budget in all, and how far each now lies from what it was.

    Raises
    ------
    BadInput
        If the budget cannot be met.
    """
    from surgitwin.surfaces.decimate import bending_mm

    counts = [len(named.mesh.triangles) for named in meshes]
    quotas = shares(counts, [bending_mm(named.mesh) for named in meshes], BUDGETS[preset] - 1)

    def reduced(place: int, quiet: Context) -> tuple[Mesh, Document]:
        return _reduced(meshes[place].mesh, quotas[place], quiet)

    found = largest_first(reduced, counts, [named.name for named in meshes], ctx)
    lighter = [replace(named, mesh=mesh) for named, (mesh, _) in zip(meshes, found, strict=True)]
    rows = [
        {"name": named.name, "triangles_before": count, **row}
        for named, count, (_, row) in zip(meshes, counts, found, strict=True)
    ]
    left = sum(len(named.mesh.triangles) for named in lighter)
    if left >= BUDGETS[preset]:
        message = tr(
            "The preset {preset} needs fewer than {budget} triangles, but {left} are left: open surfaces and fine "
            "structures cannot be reduced further. Export fewer of them."
        )
        raise BadInput(message.format(preset=preset, budget=BUDGETS[preset], left=left))
    return lighter, {"name": preset, "budget_triangles": BUDGETS[preset], "triangles": left, "meshes": rows}


def shares(counts: Sequence[int], needs: Sequence[float], budget: int) -> list[int]:
    """How many triangles each mesh may keep: in proportion to what it needs, but small ones no fewer than a floor.

    Parameters
    ----------
    counts
        How many each has; nothing gets more.
    needs
        How much each bends, so that a thin vessel is as little off as a large organ; see `decimate.bending_mm`.
    """
    if sum(counts) <= budget:
        return list(counts)
    have, need = np.array(counts, np.float64), np.maximum(np.array(needs, np.float64), 1e-9)
    floor = max(4, min(_FLOOR, budget // len(have)))
    low, high = 0.0, float((have / need).max())
    for _ in range(60):
        scale = (low + high) / 2
        wanted = np.minimum(have, np.maximum(floor, np.floor(scale * need)))
        low, high = (scale, high) if wanted.sum() <= budget else (low, scale)
    return [int(n) for n in np.minimum(have, np.maximum(floor, np.floor(low * need)))]


def largest_first(
    work: Callable[[int, Context], Result], sizes: Sequence[int], names: Sequence[str], ctx: Context
) -> list[Result]:
    """``work(place, quiet)`` for every place, on all processors, the largest first; results in order of the places.

    Raises
    ------
    Cancelled
        If ``ctx`` was cancelled; what is under way then stops by its ``quiet``.
    """
    from surgitwin.surfaces.extract import available_threads

    found: dict[int, Result] = {}
    quiet, whole, done = Context(), max(sum(sizes), 1), 0
    with ThreadPoolExecutor(available_threads(), "reducing") as pool:
        order = sorted(range(len(sizes)), key=lambda place: -sizes[place])
        waiting = [(place, pool.submit(work, place, quiet)) for place in order]
        try:
            for place, result in waiting:
                ctx.progress(done / whole, tr("Reducing {name}").format(name=names[place]))
                while place not in found:
                    ctx.check()
                    with suppress(TimeoutError):
                        found[place] = result.result(timeout=0.1)
                done += sizes[place]
        finally:
            quiet.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
    return [found[place] for place in range(len(sizes))]


def _reduced(mesh: Mesh, quota: int, ctx: Context) -> tuple[Mesh, Document]:
    from surgitwin.surfaces import decimate, is_closed
    from surgitwin.surfaces.deviation import deviation

    if len(mesh.triangles) <= quota or not is_closed(mesh):
        return mesh, {"triangles": len(mesh.triangles), "deviation_mm": None}
    made = decimate(mesh, quota, ctx.part(0.0, 0.7))
    found = deviation(made, mesh, ctx=ctx.part(0.7, 1.0))
    return made, {"triangles": len(made.triangles), "deviation_mm": {"p95": found.p95_mm, "max": found.max_mm}}
