"""Vessel trees in 3D: one actor of tubes for a whole tree, its names, and dashes where it is broken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.text import tr
from surgitwin.render.camera import to_screen
from surgitwin.render.content import Rgb, TreeContent, Vec3, same_memory, vec3
from surgitwin.render.figure import font_size, style_text
from surgitwin.render.surface_props import AMBIENT, DIFFUSE, SPECULAR, SPECULAR_POWER
from surgitwin.render.tokens import Tokens
from surgitwin.render.vtk_arrays import from_vtk, to_vtk

if TYPE_CHECKING:
    from surgitwin.vessels.tree import VesselTree

SIDES = 9
STEP_OF_RADIUS = 0.6  # points nearer to each other than this share of the radius would not be told apart
LEAST_STEP_MM = 0.5
# While the view turns, where the processor draws.
COARSE_SIDES, COARSE_STEP_OF_RADIUS, COARSE_LEAST_STEP_MM = 5, 2.0, 3.0
LIGHTER = 0.45
DASH_MM = 1.2
LABEL_AT_MM = 6.0
LABEL_PX = 11
ABOVE_PX = 14  # texts of gaps and of the picked branch do not lie on what they name
MOST_LABELS, MOST_GAP_LABELS = 24, 8
SYSTEM_COLOURS: dict[str, Rgb] = {
    "portal": (136, 56, 170),
    "hepatic": (74, 146, 228),
    "arterial": (206, 40, 44),
    "biliary": (72, 186, 104),
}


def branch_colours(tree: VesselTree, base: Rgb) -> tuple[Rgb, ...]:
    """The colour of each branch: its own, or that of the nearest coloured branch towards the root, or ``base``."""
    known: dict[int, Rgb] = {}
    for branch in tree.branches:
        way, at = [], branch.id
        while at >= 0 and at not in known:
            way.append(at)
            own = tree.branches[tree.row_of[at]].color
            if own is not None:
                known[at] = own
                break
            at = tree.parents[at]
        colour = known.get(at, base)
        known.update((one, known.get(one, colour)) for one in way)
    return tuple(known[branch.id] for branch in tree.branches)


def shown_colours(content: TreeContent, accent: Rgb) -> NDArray[np.uint8]:
    """(branches, 3): the picked branch in ``accent``, all that leaves from it lighter, the others as they are."""
    colours = np.asarray(content.colours, dtype=np.float64).reshape(-1, 3)
    tree = content.tree
    if content.picked is not None and content.picked in tree.row_of:
        below = [tree.row_of[branch] for branch in tree.subtree(content.picked)]
        colours[below] += LIGHTER * (255.0 - colours[below])
        colours[tree.row_of[content.picked]] = accent
    return np.asarray(np.rint(colours), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class BranchLines:
    """The centre line of each branch from the fork that it leaves from, one after the other.

    Attributes
    ----------
    points_mm, radii_mm, row
        (n, 3), (n,) and (n,): places, radii, and the row in `VesselTree.branches`.
    offsets
        Where each line begins, and the end.
    """

    points_mm: FloatArray
    radii_mm: FloatArray
    row: NDArray[np.int32]
    offsets: NDArray[np.int64]


def branch_lines(
    tree: VesselTree, step_of_radius: float = STEP_OF_RADIUS, least_step_mm: float = LEAST_STEP_MM
) -> BranchLines:
    """Lines to draw tubes along: at least two points each, no two alike, and none closer than the steps."""
    order = np.argsort(tree.branch, kind="stable")
    first = np.flatnonzero(np.diff(tree.branch[order], prepend=np.int32(-1)))
    fork = tree.parent[order[first]]
    where, fork = first[fork >= 0], fork[fork >= 0]
    # A branch begins with its own radius, not with that of the vessel that it leaves.
    radii = tree.radii_mm[np.insert(order, where, order[where])]
    points = tree.points_mm[np.insert(order, where, fork)]
    branch = np.insert(tree.branch[order], where, tree.branch[order[where]])
    for thin in (False, True, False):
        keep = _kept(points, branch, np.maximum(step_of_radius * radii, least_step_mm) if thin else None)
        points, radii, branch = points[keep], radii[keep], branch[keep]
    starts = np.flatnonzero(np.diff(branch, prepend=np.int32(-1)))
    alone = starts[np.diff(starts, append=len(branch)) == 1]
    stub = points[alone] + np.array([0.0, 0.0, 1.0]) * np.maximum(radii[alone], LEAST_STEP_MM)[:, None]
    points = np.insert(points, alone + 1, stub, axis=0)
    radii, branch = np.insert(radii, alone + 1, radii[alone]), np.insert(branch, alone + 1, branch[alone])
    starts = np.flatnonzero(np.diff(branch, prepend=np.int32(-1)))
    rows = np.array([tree.row_of[int(one)] for one in branch[starts]], dtype=np.int32)
    offsets = np.append(starts, len(branch)).astype(np.int64)
    return BranchLines(points, radii, np.repeat(rows, np.diff(offsets)), offsets)


def _kept(points: FloatArray, branch: NDArray[np.int32], steps_mm: FloatArray | None) -> NDArray[np.bool_]:
    """Which points of the lines to keep: the ends, and between them one for each step; without steps all that do not
    repeat the one before."""
    start = np.diff(branch, prepend=np.int32(-1)) != 0
    way = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=1)
    if steps_mm is None:
        return np.asarray(start | (way > 1e-6))
    along = np.floor(np.cumsum(way / steps_mm))
    end = np.append(start[1:], True)
    return np.asarray(start | end | (np.diff(along, prepend=-1.0) > 0))


def tube_data(tree: VesselTree, coarse: bool = False) -> tuple[Any, NDArray[np.int32]]:
    """The tubes of a tree as a vtkPolyData with normals, and the branch row of each of its points."""
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkTubeFilter

    lines = branch_lines(tree, COARSE_STEP_OF_RADIUS, COARSE_LEAST_STEP_MM) if coarse else branch_lines(tree)
    data, places, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    places.SetData(to_vtk(lines.points_mm.astype(np.float32)))
    cells.SetData(to_vtk(lines.offsets), to_vtk(np.arange(len(lines.row), dtype=np.int64)))
    data.SetPoints(places)
    data.SetLines(cells)
    radius, row = to_vtk(np.maximum(lines.radii_mm, 1e-3)), to_vtk(lines.row)
    radius.SetName("radius")
    row.SetName("row")
    data.GetPointData().SetScalars(radius)
    data.GetPointData().AddArray(row)
    tubes = vtkTubeFilter()
    tubes.SetInputData(data)
    tubes.SetVaryRadiusToVaryRadiusByAbsoluteScalar()
    tubes.SetNumberOfSides(COARSE_SIDES if coarse else SIDES)
    tubes.CappingOn()
    tubes.Update()
    found = tubes.GetOutput()
    rows = from_vtk(found.GetPointData().GetArray("row")).astype(np.int32)
    for name in ("radius", "row"):
        found.GetPointData().RemoveArray(name)
    return found, rows


@dataclass(frozen=True)
class Label:
    """A short text at a place of a tree.

    Attributes
    ----------
    sure
        False for a name that nobody confirmed, and for a gap.
    above
        The text stands above its place and not on it.
    """

    text: str
    point: Vec3
    sure: bool = True
    gap: bool = False
    above: bool = False


def tree_labels(tree: VesselTree, picked: int | None = None) -> tuple[Label, ...]:
    """What stands beside a tree, the more important first: the picked branch, wide gaps, named branches by width."""
    named = [branch for branch in tree.branches if branch.name and branch.id != picked]
    named.sort(key=lambda branch: -tree.mean_radius_mm(branch.id))
    labels: list[Label] = []
    if picked is not None and picked in tree.row_of:
        own = tree.branches[tree.row_of[picked]]
        text = own.name or tr("branch {number}").format(number=picked)
        labels.append(replace(_label(tree, picked, text, own.suggested), above=True))
    for gap in sorted(tree.breaks, key=lambda one: -one.gap_mm)[:MOST_GAP_LABELS]:
        middle = (tree.points_mm[gap.root] + tree.points_mm[gap.towards]) / 2
        text = tr("gap {mm} mm").format(mm=f"{gap.gap_mm:.0f}" if gap.gap_mm >= 1 else "<1")
        labels.append(Label(text, vec3(middle), sure=False, gap=True, above=True))
    labels += [_label(tree, branch.id, branch.name, branch.suggested) for branch in named[:MOST_LABELS]]
    return tuple(labels)


def _label(tree: VesselTree, branch: int, text: str, suggested: bool) -> Label:
    points = tree.points_mm[tree.points_of(branch)]
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1)))
    at = int(np.searchsorted(along, min(LABEL_AT_MM, along[-1] / 2)))
    return Label(f"{text} ?" if suggested else text, vec3(points[at]), not suggested)


def free_places(boxes: FloatArray, taken: FloatArray | None = None) -> NDArray[np.bool_]:
    """Which of some boxes (n, 4: left, top, right, bottom) can be shown so that none covers an earlier one.

    Parameters
    ----------
    taken
        Boxes that are shown already.
    """
    shown = np.zeros(len(boxes), dtype=bool)
    before = np.zeros((0, 4)) if taken is None else taken
    for number, box in enumerate(boxes):
        others = np.concatenate([before, boxes[:number][shown[:number]]])
        apart = (
            (others[:, 2] <= box[0]) | (box[2] <= others[:, 0]) | (others[:, 3] <= box[1]) | (box[3] <= others[:, 1])
        )
        shown[number] = bool(apart.all())
    return shown


class TreeActors:
    """Draws one `TreeContent` into a scene; names and gaps into ``front``, where nothing hides them."""

    def __init__(self, content: TreeContent, tokens: Tokens, renderer: Any, front: Any) -> None:
        from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

        self._tokens, self._renderer, self._front = tokens, renderer, front
        self._mapper, self.actor = vtkPolyDataMapper(), vtkActor()
        self._mapper.SetColorModeToDirectScalars()
        self._mapper.SetScalarModeToUsePointData()
        self.actor.SetMapper(self._mapper)
        look = self.actor.GetProperty()
        look.SetInterpolationToPhong()
        look.SetAmbient(AMBIENT)
        look.SetDiffuse(DIFFUSE)
        look.SetSpecular(SPECULAR)
        look.SetSpecularPower(SPECULAR_POWER)
        look.BackfaceCullingOn()  # tubes are closed
        self._gap_data, self._gaps = _line_actor(tokens.unit_rgb("caution"))
        self._mark_data, self._mark = _line_actor(tokens.unit_rgb("accent"))
        self._labels: list[Label] = []
        self._texts: list[Any] = []
        # The tubes in full and for while the view turns, each with the branch row of its points.
        self._tubes: dict[bool, tuple[Any, NDArray[np.int32]]] = {}
        self._moving = False
        self.content: TreeContent | None = None
        renderer.AddActor(self.actor)
        front.AddActor(self._gaps)
        front.AddActor(self._mark)
        self.update(content)

    def update(self, content: TreeContent) -> None:
        """Show a newer description of the same tree; tubes are built anew only where the tree itself changed."""
        before, self.content = self.content, content
        if not content.visible:
            self._show(False)
            return
        if not self._tubes or before is None or not _same_shape(before.tree, content.tree):
            self._build(content.tree)
        colours = shown_colours(content, self._tokens.rgb("accent"))
        for data, rows in self._tubes.values():
            data.GetPointData().SetScalars(to_vtk(colours[rows]))
        self._mapper.SetInputData(self._tubes[self._moving][0])
        self._write(tree_labels(content.tree, content.picked))
        self._draw_mark(content)
        self._show(True)

    def set_moving(self, moving: bool) -> None:
        """Draw fewer and simpler tubes while the view turns."""
        self._moving = moving
        if self._tubes:
            self._mapper.SetInputData(self._tubes[moving][0])

    def place(self, pixel_ratio: float, taken: FloatArray) -> FloatArray:
        """Before a frame: keep texts at their size, and hide those that would cover a more important one.

        Returns
        -------
        ``taken``, the boxes of texts on the screen (n, 4), with those of this tree.
        """
        if self.content is None or not self.content.visible:
            return taken
        for actor in (self._gaps, self._mark):
            actor.GetProperty().SetLineWidth(2.0 * pixel_ratio)
        if not self._labels:
            return taken
        at = to_screen(self._renderer, np.array([label.point for label in self._labels]))[:, :2]
        rise = np.array([ABOVE_PX * pixel_ratio if label.above else 0.0 for label in self._labels])
        at = at - np.stack([np.zeros_like(rise), rise], axis=-1)
        widths = np.array([len(label.text) + 2 for label in self._labels]) * 0.30 * LABEL_PX * pixel_ratio
        half = np.stack([widths, np.full(len(widths), 0.75 * LABEL_PX * pixel_ratio)], axis=-1)
        size = font_size(LABEL_PX, pixel_ratio, self._renderer.GetRenderWindow())
        boxes = np.concatenate([at - half, at + half], axis=1)
        free = free_places(boxes, taken)
        for text, shown, up in zip(self._texts, free, rise, strict=True):
            text.SetVisibility(bool(shown))
            text.SetDisplayOffset(0, round(float(up)))
            text.GetTextProperty().SetFontSize(size)
        return np.concatenate([taken, boxes[free]])

    def close(self) -> None:
        """Leave the scene."""
        self._renderer.RemoveActor(self.actor)
        for actor in (self._gaps, self._mark, *self._texts):
            self._front.RemoveActor(actor)
        self._texts, self._labels = [], []

    def _build(self, tree: VesselTree) -> None:
        self._tubes = {coarse: tube_data(tree, coarse) for coarse in (False, True)}
        ends = [tree.points_mm[[gap.root, gap.towards]] for gap in tree.breaks]
        points = np.concatenate([_dashed(a, b) for a, b in ends]) if ends else np.zeros((0, 3))
        _set_lines(self._gap_data, points, 2)

    def _draw_mark(self, content: TreeContent) -> None:
        """The course of the picked branch, in front of all that hides it."""
        tree, picked = content.tree, content.picked
        chosen = picked is not None and picked in tree.row_of
        points = tree.points_mm[tree.points_of(picked)] if chosen and picked is not None else np.zeros((0, 3))
        _set_lines(self._mark_data, points, max(len(points), 1))

    def _write(self, labels: tuple[Label, ...]) -> None:
        from vtkmodules.vtkRenderingCore import vtkBillboardTextActor3D

        if list(labels) == self._labels:
            return
        for text in self._texts:
            self._front.RemoveActor(text)
        self._labels, self._texts = list(labels), []
        for label in labels:
            text = vtkBillboardTextActor3D()
            text.SetInput(f" {label.text} ")
            text.SetPosition(*label.point)
            style = text.GetTextProperty()
            colour = "caution" if label.gap else "scene-text" if label.sure else "text-muted"
            style_text(style, self._tokens.unit_rgb(colour), "medium" if label.sure else "regular")
            style.SetBackgroundColor(*self._tokens.unit_rgb("scene"))
            style.SetBackgroundOpacity(0.7)
            style.SetJustificationToCentered()
            style.SetVerticalJustificationToCentered()
            self._front.AddActor(text)
            self._texts.append(text)

    def _show(self, shown: bool) -> None:
        for actor in (self.actor, self._gaps, self._mark, *self._texts):
            actor.SetVisibility(shown)


def _same_shape(one: VesselTree, other: VesselTree) -> bool:
    arrays = ("points_mm", "radii_mm", "parent", "branch")
    alike = all(same_memory(getattr(one, name), getattr(other, name)) for name in arrays)
    return alike and one.breaks == other.breaks and list(one.row_of) == list(other.row_of)


def _dashed(start: FloatArray, end: FloatArray) -> FloatArray:
    """The ends of the dashes between two points, (2 n, 3); as many dashes as gaps plus one."""
    count = 2 * max(1, round(float(np.linalg.norm(end - start)) / (2 * DASH_MM))) + 1
    share = np.arange(count + 1)[:, None] / count
    corners = start + share * (end - start)
    return np.asarray(np.stack([corners[:-1:2], corners[1::2]], axis=1).reshape(-1, 3))


def _line_actor(colour: tuple[float, float, float]) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    data, mapper, actor = vtkPolyData(), vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(data)
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*colour)
    actor.GetProperty().LightingOff()
    return data, actor


def _set_lines(data: Any, points: FloatArray, of: int) -> None:
    """Lines through each ``of`` points that follow each other."""
    from vtkmodules.vtkCommonDataModel import vtkCellArray

    cells = vtkCellArray()
    for start in range(0, len(points), of):
        cells.InsertNextCell(of, tuple(range(start, start + of)))
    data.SetPoints(_points(points))
    data.SetLines(cells)


def _points(array: FloatArray) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints

    points = vtkPoints()
    points.SetData(to_vtk(np.ascontiguousarray(array, dtype=np.float32)))
    return points
