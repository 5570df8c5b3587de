"""Small edits of single nodes: names, looks, confirmations."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work, at_once
from surgitwin.commands.images import describe
from surgitwin.commands.placement import FrozenLayer, clearing, freeze_segmentation
from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.edits import PatchArray
from surgitwin.scene.nodes import (
    CaseNode,
    ImplantNode,
    LabelLayerNode,
    Node,
    ReportSettingsNode,
    SegmentationNode,
    SegmentKind,
    SegmentNode,
    SurfaceNode,
    TerritoriesNode,
    VolumeNode,
    WorkStatus,
)
from surgitwin.scene.scene import Scene

SIDED = VolumeNode | SegmentationNode | SurfaceNode
LiverQuality = Literal["healthy", "chemotherapy", "steatosis", "cholestasis", "cirrhosis"]
Formula = Literal["urata", "vauthey", "korean", "chinese", "japanese-swiss"]


def named_node(scene: Scene, name: str) -> Node:
    """The node that a person named; where a segment and its own surface have one name, the segment is meant.

    Raises
    ------
    Ambiguous
        If several other nodes have the name.
    BadInput
        If none has it.
    """
    try:
        return scene.resolve(name, Node)
    except Ambiguous:
        hits = {node.id: node for node in scene if node.name.casefold() == name.casefold()}
        top = [node for node in hits.values() if not (isinstance(node, SurfaceNode) and node.parent in hits)]
        if len(top) != 1:
            raise
        return top[0]


def surfaces_below(scene: Scene, node: Node) -> list[SurfaceNode]:
    return [below for below in scene.descendants(node.id) if isinstance(below, SurfaceNode)]


class EditNode(Command):
    """Rename a node, show or hide it, or change its look."""

    name: ClassVar[str] = "edit"
    title: ClassVar[str] = tr("Edit name and look")
    summary: ClassVar[str] = tr("Rename a node, show or hide it, change its colour or opacity.")

    node: Annotated[str, Arg(tr("name or id of the node"), positional=True)]
    rename: Annotated[str | None, Arg(tr("the new name"))] = Field(default=None, min_length=1, max_length=200)
    visible: Annotated[bool | None, Arg(tr("show or hide it"))] = None
    color: Annotated[tuple[int, int, int] | None, Arg(tr("red green blue, 0 to 255"))] = None
    opacity: Annotated[float | None, Arg(tr("0 is invisible, 1 is opaque"))] = Field(default=None, ge=0, le=1)
    type_: Annotated[SegmentKind | None, Arg(tr("what a segment is"), option="type")] = None
    work: Annotated[WorkStatus | None, Arg(tr("how far the work on a segment is"))] = None
    portal_occluded: Annotated[
        bool | None,
        Arg(tr("whether a territory's portal branch was occluded before the operation, as by embolisation")),
    ] = None

    def start(self, bench: Bench) -> Work[None]:
        node = named_node(bench.scene, self.node)
        changes: dict[str, Any] = {}
        if self.rename is not None:
            changes["name"] = self.rename
        if self.visible is not None:
            changes["visible"] = self.visible
        for field in ("color", "opacity"):
            value = getattr(self, field)
            if value is not None and not isinstance(node, SegmentNode | SurfaceNode | ImplantNode):
                raise BadInput(tr("“{name}” has no {field}.").format(name=node.name, field=field))
            if value is not None:
                changes[field] = value
        if self.color is not None and not all(0 <= part <= 255 for part in self.color):
            raise BadInput(tr("A colour is three numbers from 0 to 255, not {given}.").format(given=self.color))
        if self.type_ is not None:
            changes["kind"] = self.type_
            if not isinstance(node, SegmentNode):
                raise BadInput(tr("“{name}” is not a segment, so it has no type.").format(name=node.name))
        if self.work is not None:
            changes["work"] = self.work
            if not isinstance(node, SegmentNode):
                raise BadInput(tr("“{name}” is not a segment; only segments are worked on.").format(name=node.name))
        marks = self._marks(bench.scene, node)
        if not changes and not marks:
            raise BadInput(
                tr("Say what to change: --rename, --visible, --color, --opacity, --type, --work or --portal-occluded.")
            )

        def apply() -> Document:
            with bench.transaction(self._what(node)) as tx:
                tx.set(node.id, **changes)
                for division, occluded in marks.items():
                    tx.set(division, portal_occluded=occluded)
                if self.rename is not None:  # a surface that is called as its segment keeps doing so
                    for surface in surfaces_below(bench.scene, node):
                        tx.set(surface.id, **({"name": self.rename} if surface.name == node.name else {}))
                if self.visible is not None and isinstance(node, TerritoriesNode):  # they are seen by their segments
                    for territory in node.territories:
                        tx.set(territory, visible=self.visible)
            return {"node": describe(bench.scene.node(node.id))}

        return at_once(apply)

    def _marks(self, scene: Scene, node: Node) -> dict[NodeId, tuple[NodeId, ...]]:
        """The divisions that a territory belongs to, with the branches that are marked as occluded from now on."""
        if self.portal_occluded is None:
            return {}
        divisions = [one for one in scene.of_type(TerritoriesNode) if node.id in one.territories]
        if not divisions:
            message = tr("“{name}” is no territory; only a territory's portal branch can be marked as occluded.")
            raise BadInput(message.format(name=node.name))
        marks: dict[NodeId, tuple[NodeId, ...]] = {}
        for one in divisions:
            others = tuple(key for key in one.portal_occluded if key != node.id and key in one.territories)
            marks[one.id] = (*others, node.id) if self.portal_occluded else others
        return marks

    def _what(self, node: Node) -> str:
        if self.rename is not None:
            return tr("Rename “{old}” to “{new}”").format(old=node.name, new=self.rename)
        if self.visible is not None:
            return (tr("Show {name}") if self.visible else tr("Hide {name}")).format(name=node.name)
        if self.color is not None:
            return tr("Colour of {name}").format(name=node.name)
        if self.type_ is not None:
            return tr("Type of {name}").format(name=node.name)
        if self.work is not None:
            return tr("Work on {name}: {work}").format(name=node.name, work=tr(self.work.replace("-", " ")))
        if self.portal_occluded is not None:
            text = (
                tr("Portal branch of {name} occluded") if self.portal_occluded else tr("Portal branch of {name} open")
            )
            return text.format(name=node.name)
        return tr("Opacity of {name}").format(name=node.name)


class ShowSegments(Command):
    """Show all segments, or a single one."""

    name: ClassVar[str] = "show"
    title: ClassVar[str] = tr("Show all segments")
    summary: ClassVar[str] = tr("Show all segments, or only one.")

    only: Annotated[str | None, Arg(tr("the one segment to show; without it all"))] = None

    def start(self, bench: Bench) -> Work[None]:
        chosen = bench.scene.resolve(self.only, SegmentNode) if self.only is not None else None

        def apply() -> Document:
            what = tr("Show only {name}").format(name=chosen.name) if chosen else tr("Show all segments")
            with bench.transaction(what) as tx:
                for segment in bench.scene.of_type(SegmentNode):
                    tx.set(segment.id, visible=chosen is None or segment.id == chosen.id)
            return {"shown": [segment.name for segment in bench.scene.of_type(SegmentNode) if segment.visible]}

        return at_once(apply)


class RemoveNode(Command):
    """Take a node and everything below it out of the case; undoable."""

    name: ClassVar[str] = "remove"
    title: ClassVar[str] = tr("Remove")
    summary: ClassVar[str] = tr("Remove a node and everything that belongs to it.")

    node: Annotated[str, Arg(tr("name or id of the node"), positional=True)]

    def start(self, bench: Bench) -> Work[Any]:
        node = named_node(bench.scene, self.node)
        if isinstance(node, CaseNode):
            raise BadInput(tr("The case itself cannot be removed. Close it and delete its file instead."))
        if isinstance(node, LabelLayerNode):
            held = ", ".join(segment.name for segment in bench.scene.segments_of_layer(node.id)) or tr("none")
            message = tr("“{layer}” keeps the voxels of segments: {names}. Remove those instead.")
            raise BadInput(message.format(layer=node.name, names=held))

        layers: list[FrozenLayer] = []
        if isinstance(node, SegmentNode):
            layers = freeze_segmentation(bench.scene, bench.scene.segmentation_of(node))

        def compute(ctx: Context) -> list[PatchArray]:
            return [
                patch
                for layer in layers
                if isinstance(node, SegmentNode) and layer.id == node.layer
                for patch in clearing(layer, node)
            ]

        def commit(patches: list[PatchArray]) -> Document:
            for layer in layers:
                if layer.id not in bench.scene or bench.scene.node(layer.id).revision != layer.revision:
                    raise BadInput(tr("The segments were edited meanwhile. Nothing was changed; please do it again."))
            with bench.transaction(tr("Remove {name}").format(name=node.name)) as tx:
                tx.carry_out(patches)
                tx.remove(node.id)
            return {"removed": describe(node)}

        return Work(compute, commit)


class EditImage(Command):
    """Correct what was guessed about an image, or keep its window."""

    name: ClassVar[str] = "image"
    title: ClassVar[str] = tr("Phase and window of an image")
    summary: ClassVar[str] = tr("Set the contrast phase or the window and level of an image.")

    volume: Annotated[str, Arg(tr("name or id of the image"), positional=True)]
    phase: Annotated[str | None, Arg(tr("contrast phase, for example “portal venous”"))] = None
    window: Annotated[float | None, Arg(tr("window width"), unit="HU")] = Field(default=None, gt=0)
    level: Annotated[float | None, Arg(tr("window level"), unit="HU")] = None

    def start(self, bench: Bench) -> Work[None]:
        volume = bench.scene.resolve(self.volume, VolumeNode)
        if self.phase is None and self.window is None and self.level is None:
            raise BadInput(tr("Say what to change: --phase, --window or --level."))

        def apply() -> Document:
            import dataclasses

            changes: dict[str, Any] = {}
            if self.phase is not None:
                changes["identity"] = dataclasses.replace(volume.identity, phase=self.phase)
            if self.window is not None:
                changes["window_hu"] = self.window
            if self.level is not None:
                changes["level_hu"] = self.level
            with bench.transaction(tr("Edit image: {name}").format(name=volume.name)) as tx:
                tx.set(volume.id, **changes)
            now = bench.scene.expect(volume.id, VolumeNode)
            return {
                "node": describe(now),
                "phase": now.identity.phase or None,
                "window_hu": now.window_hu,
                "level_hu": now.level_hu,
            }

        return at_once(apply)


class ConfirmSide(Command):
    """Confirm that left and right are shown rightly, where the file does not say."""

    name: ClassVar[str] = "confirm-side"
    title: ClassVar[str] = tr("Confirm the patient's side")
    summary: ClassVar[str] = tr("Confirm that left and right of an image or surface are right as shown.")

    node: Annotated[str, Arg(tr("name or id of the image or surface"), positional=True)]

    def start(self, bench: Bench) -> Work[None]:
        scene = bench.scene
        named = [n for n in scene if isinstance(n, SIDED) and self.node.casefold() in (n.id, n.name.casefold())]
        node = named[0] if len(named) == 1 else named_node(scene, self.node)
        if not isinstance(node, SIDED):
            raise BadInput(tr("“{name}” has no side to confirm.").format(name=node.name))

        def apply() -> Document:
            with bench.transaction(tr("Confirm side: {name}").format(name=node.name)) as tx:
                lying_on_it = [s for s in scene.of_type(SegmentationNode) if s.volume == node.id]
                for confirmed in (node, *lying_on_it):
                    tx.set(confirmed.id, side_known=True)
                    for surface in surfaces_below(scene, confirmed):
                        tx.set(surface.id, side_known=True)
            return {"node": describe(node), "side_known": True}

        return at_once(apply)


class ConfirmPatient(Command):
    """Confirm what liver limits need: height, weight, liver quality and the formula to use."""

    name: ClassVar[str] = "patient"
    title: ClassVar[str] = tr("Height, weight and liver quality")
    summary: ClassVar[str] = tr("Confirm height and weight; choose liver quality and standard-volume formula.")

    height: Annotated[float | None, Arg(tr("height"), unit="cm")] = Field(default=None, ge=40, le=250)
    weight: Annotated[float | None, Arg(tr("weight"), unit="kg")] = Field(default=None, ge=2, le=400)
    quality: Annotated[LiverQuality | None, Arg(tr("state of the liver tissue"))] = None
    formula: Annotated[Formula | None, Arg(tr("formula for the standard liver volume"))] = None
    disease: Annotated[Literal["hcc", "other"] | None, Arg(tr("what the operation is for"))] = None
    icg_r15: Annotated[float | None, Arg(tr("indocyanine green retention at 15 minutes"), unit="%")] = Field(
        default=None, ge=0, le=100
    )
    age: Annotated[float | None, Arg(tr("age, for the Japanese-Swiss formula"), unit="years")] = Field(
        default=None, ge=0, le=120
    )
    thorax: Annotated[float | None, Arg(tr("width of the chest, for the Japanese-Swiss formula"), unit="cm")] = Field(
        default=None, ge=10, le=60
    )
    asian: Annotated[bool | None, Arg(tr("population, for the Japanese-Swiss formula"))] = None
    pseudonym: Annotated[str | None, Arg(tr("name shown instead of the patient's"))] = Field(default=None, min_length=1)

    def start(self, bench: Bench) -> Work[None]:
        case = bench.scene.case
        given = {
            "height_cm": self.height,
            "weight_kg": self.weight,
            "liver_quality": self.quality,
            "liver_formula": self.formula,
            "disease": self.disease,
            "icg_r15_percent": self.icg_r15,
            "age_years": self.age,
            "thoracic_width_cm": self.thorax,
            "asian": self.asian,
            "pseudonym": self.pseudonym,
            "name": self.pseudonym,
        }

        def apply() -> Document:
            with bench.transaction(tr("Patient data")) as tx:
                tx.set(case.id, **{key: value for key, value in given.items() if value is not None})
            now = bench.scene.case
            shown = {key: getattr(now, key) for key in given if key not in ("name",)}
            return {
                **{key: None if value == "" else value for key, value in shown.items()},
                "suggested_height_cm": now.patient.height_cm,
                "suggested_weight_kg": now.patient.weight_kg,
            }

        return at_once(apply)


class SetReportSettings(Command):
    """Say what the report shows."""

    name: ClassVar[str] = "report-settings"
    title: ClassVar[str] = tr("Report settings")
    summary: ClassVar[str] = tr("Title, author, notes, and whether the report names the patient.")

    heading: Annotated[str | None, Arg(tr("title of the report"), option="title")] = None
    author: Annotated[str | None, Arg(tr("who made the plan"))] = None
    notes: Annotated[str | None, Arg(tr("free text"))] = None
    identity: Annotated[bool | None, Arg(tr("name the patient in the report"))] = None

    def start(self, bench: Bench) -> Work[None]:
        def apply() -> Document:
            found = bench.scene.of_type(ReportSettingsNode)
            given = {
                "title": self.heading,
                "author": self.author,
                "notes": self.notes,
                "show_identity": self.identity,
            }
            changes = {key: value for key, value in given.items() if value is not None}
            if not changes:
                raise BadInput(tr("Say what to change: --title, --author, --notes or --identity."))
            with bench.transaction(tr("Report settings")) as tx:
                if found:
                    node: Node = found[0]
                else:
                    node = tx.add(ReportSettingsNode(name=tr("Report"), parent=bench.scene.case.id))
                tx.set(node.id, **changes)
            now = bench.scene.expect(node.id, ReportSettingsNode)
            settings = {key: getattr(now, key) for key in given}
            return {"node": describe(now), **settings}

        return at_once(apply)
