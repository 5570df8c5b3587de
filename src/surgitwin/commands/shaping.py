"""Shape a structure for the printer: hollow it, put it on a plate, cut it into parts, mark it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.custom_implants import solid_node
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.implanting import surface_source
from surgitwin.commands.plan_cuts import parse_plane
from surgitwin.commands.points import numbers_as_text
from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import ImplantNode, Node, PlaneModel, SegmentationNode, SegmentNode, SurfaceNode
from surgitwin.scene.scene import Scene

Shapeable = SegmentNode | SurfaceNode | ImplantNode
Shaped = tuple[list[Mesh], Document, tuple[Notice, ...]]


@dataclass(frozen=True)
class ShapeOrder:
    """What is to be done, without the case."""

    name: str
    mirrored: bool
    hollow_mm: float
    drain_mm: float
    planes: tuple[PlaneModel, ...]
    peg_mm: float
    clearance_mm: float
    base_plate: bool
    words: str | None
    pseudonym: str
    side: str | None
    was_mirrored: bool


class ShapeForPrint(Command):
    """New closed surfaces from a structure, made ready for the printer; what it was made from stays."""

    name: ClassVar[str] = "shape"
    title: ClassVar[str] = tr("Shape for printing")
    summary: ClassVar[str] = tr("Hollow a structure, cut it into parts with pegs, mark it, put it on a base plate.")

    of: Annotated[str, Arg(tr("segment, closed surface, implant or patient-specific part"))] = Field(min_length=1)
    mirror: Annotated[bool, Arg(tr("make its mirror image (left to right); the mark then says MIRRORED"))] = False
    hollow: Annotated[float, Arg(tr("hollow it, with a wall so thick; 0 for solid"), option="hollow-mm", unit="mm")] = (
        Field(default=0.0, ge=0, le=50)
    )
    drain: Annotated[float, Arg(tr("diameter of the drains of what is hollow"), option="drain-mm", unit="mm")] = Field(
        default=4.0, gt=0, le=30
    )
    cut_plane: Annotated[tuple[str, ...], Arg(tr("cut it by px,py,pz,nx,ny,nz, LPS mm"))] = ()
    peg: Annotated[float, Arg(tr("diameter of the pegs; 0 for none"), option="peg-mm", unit="mm")] = Field(
        default=5.0, ge=0, le=30
    )
    clearance: Annotated[float, Arg(tr("between peg and socket"), option="clearance-mm", unit="mm")] = Field(
        default=0.2, ge=0, le=2
    )
    engrave: Annotated[str | None, Arg(tr("words to sink in, or auto: pseudonym, side and version"))] = Field(
        default=None, max_length=120
    )
    side: Annotated[Literal["auto", "left", "right", "none"], Arg(tr("for the mark; auto takes it from the name"))] = (
        "auto"
    )
    base_plate: Annotated[bool, Arg(tr("put it on a base plate"))] = False
    name_: Annotated[str | None, Arg(tr("name of the new surfaces"), option="name")] = Field(
        default=None, min_length=1, max_length=200
    )

    @field_validator("cut_plane", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        return numbers_as_text((value,) if isinstance(value, str) else value)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        node = shapeable(scene, self.of)
        before = _mirrored(node)
        mirrored = before != self.mirror
        side, notices = self._side(scene, node)
        order = ShapeOrder(
            node.name,
            self.mirror,
            self.hollow,
            self.drain,
            tuple(parse_plane(text) for text in self.cut_plane),
            self.peg,
            self.clearance,
            self.base_plate,
            self.engrave.strip() if self.engrave else None,
            scene.case.pseudonym,
            side,
            before,
        )
        source = _source(scene, node)
        settings = self.model_dump(mode="json", exclude={"of", "name_", "mirror"}, exclude_defaults=True)
        said = _said(node)
        settings |= {"remark": said} if said else {}
        made_from = provenance(bench, "shape", [node], automatic=True, mirrored=mirrored, **settings)
        known = side_known(scene, node)

        def compute(ctx: Context) -> Shaped:
            return ctx.part(0.2, 1.0).apart(shaped, order, source(ctx.part(0.0, 0.2)))

        def commit(outcome: Shaped) -> Document:
            meshes, document, found = outcome
            if node.id not in scene or scene.node(node.id).revision != node.revision:
                raise BadInput(
                    tr("“{name}” was changed meanwhile. Nothing was kept; do it again.").format(name=node.name)
                )
            base = self.name_ or tr("{name} for print").format(name=node.name)
            color = node.color
            all_found = (*notices, *found)
            surfaces = []
            with bench.transaction(tr("Shape {name}").format(name=node.name)) as tx:
                for number, mesh in enumerate(meshes):
                    surface = SurfaceNode(
                        name=base if len(meshes) == 1 else f"{base} {number + 1}",
                        parent=scene.case.id,
                        points=ArrayData.of(mesh.points),
                        triangles=ArrayData.of(mesh.triangles),
                        color=color,
                        side_known=known,
                        notices=all_found,
                        provenance=made_from,
                    )
                    tx.add(surface)
                    size = (mesh.points.max(axis=0) - mesh.points.min(axis=0)).tolist()
                    surfaces.append(
                        describe(surface)
                        | {
                            "volume_ml": mesh.volume_ml,
                            "size_mm": size,
                            "triangles": len(mesh.triangles),
                            "closed": True,
                        }
                    )
            return {
                "of": describe(node),
                "surfaces": surfaces,
                **document,
                "warnings": [one.as_json() for one in all_found],
            }

        return Work(compute, commit)

    def _side(self, scene: Scene, node: Shapeable) -> tuple[str | None, tuple[Notice, ...]]:
        """The side to be marked; none while left and right are not certain."""
        words = set(re.split(r"[^a-z]+", node.name.casefold()))
        named = [side for side in ("left", "right") if side in words]
        wanted = self.side if self.side in ("left", "right") else named[0] if len(named) == 1 else None
        if wanted is None or self.side == "none" or self.engrave is None:
            return None, ()
        if not side_known(scene, node):
            message = tr("It is not known which side of “{name}” is left: it gets no mark of its side.")
            return None, (Notice("side-not-marked", message.format(name=node.name)),)
        return wanted, ()


def shapeable(scene: Scene, name: str) -> Shapeable:
    """The segment, the surface or the implant of this name or id.

    Raises
    ------
    BadInput
        If there is none, or more than one.
    """
    if any(name == one.id or name.casefold() == one.name.casefold() for one in scene.of_type(ImplantNode)):
        others = (*scene.of_type(SegmentNode), *scene.of_type(SurfaceNode))
        if not any(name in (one.id, one.name) for one in others):
            return scene.resolve(name, ImplantNode)
    return solid_node(scene, name)


def _source(scene: Scene, node: Shapeable) -> Callable[[Context], Mesh]:
    if not isinstance(node, ImplantNode):
        return surface_source(scene, node)
    from surgitwin.commands.export_presets import implant_mesh

    mesh = implant_mesh(node)
    return lambda ctx: mesh


def _mirrored(node: Shapeable) -> bool:
    if isinstance(node, ImplantNode):
        return node.mirrored
    return isinstance(node, SurfaceNode) and bool(node.provenance and node.provenance.parameters.get("mirrored"))


def _said(node: Shapeable) -> str:
    """What goes on with the shape: that it is a planning model, or no product."""
    from surgitwin.commands.export_presets import remark_of
    from surgitwin.commands.print_record import surface_remark

    if isinstance(node, ImplantNode):
        return remark_of(node.item)
    return surface_remark(node) if isinstance(node, SurfaceNode) else ""


def side_known(scene: Scene, node: Shapeable) -> bool:
    if isinstance(node, SurfaceNode):
        return node.side_known
    if isinstance(node, ImplantNode):
        onto = scene.get(node.onto, Node) if node.onto is not None else None
        return side_known(scene, onto) if isinstance(onto, SegmentNode | SurfaceNode) else True
    return node.parent is None or scene.expect(node.parent, SegmentationNode).side_known


def shaped(order: ShapeOrder, mesh: Mesh, *, ctx: Context) -> Shaped:
    """The parts, what the document says of them, and what was found; for `Context.apart`."""
    from surgitwin.surfaces.lettering import engrave
    from surgitwin.surfaces.solids import Solid
    from surgitwin.surfaces.workshop import hollow, mark_text, on_base_plate, part_with_pegs

    version = hashlib.sha256(mesh.points.tobytes() + mesh.triangles.tobytes()).hexdigest()[:6]
    solid = Solid.of(mesh, order.name)
    document: Document = {"version": version, "mirrored": order.was_mirrored != order.mirrored, "side": order.side}
    notices: list[Notice] = []
    if order.mirrored:
        low, high = solid.box_mm
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = low[0] + high[0]
        solid = solid.moved(flip)
    if order.hollow_mm > 0:
        ctx.progress(0.1, tr("Hollowing"))
        made = hollow(solid, order.hollow_mm, order.drain_mm, ctx.part(0.1, 0.5))
        solid = made.solid
        document |= {
            "drains_mm": [place.tolist() for place in made.drains_mm],
            "saved_ml": made.saved_ml,
            "trapped_ml": made.trapped_ml,
        }
        if made.trapped_ml > 0:
            message = tr("{ml:.2f} ml of “{name}” is enclosed where no drain reaches it.")
            notices.append(Notice("trapped-volume", message.format(ml=made.trapped_ml, name=order.name)))
    if order.base_plate:
        solid = on_base_plate(solid)
    parts = [solid]
    for plane in order.planes:
        ctx.check()
        cut: list[Solid] = []
        for part in parts:
            front, back = part.split(plane.point_mm, plane.normal)
            if front.empty or back.empty:
                cut.append(part)
                continue
            found = part_with_pegs(part, plane.point_mm, plane.normal, order.peg_mm, order.clearance_mm)
            cut += [found.sockets, found.pegs]
            notices += found.notices
        if len(cut) == len(parts):
            raise BadInput(tr("The plane does not cut “{name}”.").format(name=order.name))
        parts = cut
    letters: list[float | None] = []
    if order.words is not None:
        ctx.progress(0.7, tr("Engraving"))
        for number, part in enumerate(parts):
            which = f"{number + 1}/{len(parts)}" if len(parts) > 1 else ""
            text = order.words
            if text == "auto":
                text = mark_text(order.pseudonym, order.side, version, mirrored=bool(document["mirrored"]), part=which)
            elif document["mirrored"]:
                text = f"{text}\nMIRRORED"
            down = (0.0, 0.0, -1.0) if order.base_plate and number == len(parts) - 1 else None
            marked = engrave(part, text, facing=down)
            parts[number] = marked.solid
            letters.append(marked.letters_mm)
            notices += marked.notices
        document |= {"letters_mm": letters}
    return [part.mesh() for part in parts], document, tuple({n.message: n for n in notices}.values())
