"""What a plan needs of the scene, frozen, and its cuts as the resection functions take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.placement import crop_of
from surgitwin.commands.plan_tissue import FrozenTerritory, freeze_territories
from surgitwin.commands.registered import PlanRegistration, plan_registration
from surgitwin.commands.vessel_nodes import SYSTEM_NAMES, tree_of, trees_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import BranchesModel, CutModel, Node, PlanNode, SegmentNode, VesselSystem, VesselTreeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.resection import Cut, PartitionInput, Structure
    from surgitwin.vessels.supply import Supply
    from surgitwin.vessels.tree import VesselTree

LIVER_TERMS = ("liver",)
Labels = NDArray[Any]


def lesions_of(scene: Scene, organ: SegmentNode) -> list[SegmentNode]:
    """All lesions on the organ's grid."""
    return _beside(scene, organ, "lesion")


def vessels_of(scene: Scene, organ: SegmentNode) -> list[SegmentNode]:
    """All vessels on the organ's grid."""
    return _beside(scene, organ, "vessel")


def _beside(scene: Scene, organ: SegmentNode, kind: str) -> list[SegmentNode]:
    return [s for s in scene.of_type(SegmentNode) if s.kind == kind and s.parent == organ.parent and s.id != organ.id]


def lesions_in(scene: Scene, plan: PlanNode, organ: SegmentNode) -> list[SegmentNode]:
    """The lesions that a plan looks at: those that were chosen, or all on the organ's grid."""
    if plan.lesions is None:
        return lesions_of(scene, organ)
    chosen = [scene.get(node_id, SegmentNode) for node_id in plan.lesions]
    return [node for node in chosen if node is not None]


def is_liver(segment: SegmentNode) -> bool:
    """Liver limits appear only for a segment whose terminology says liver."""
    return segment.term.casefold() in LIVER_TERMS


@dataclass(frozen=True, eq=False)
class FrozenTree:
    """A vessel tree as no later edit can change it."""

    node: VesselTreeNode
    tree: VesselTree
    stale: bool

    @property
    def system(self) -> VesselSystem:
        return self.node.system


@dataclass(frozen=True, eq=False)
class FrozenPlan:
    """An organ, its lesions, its vessels and their trees, as no later edit can change them.

    Attributes
    ----------
    parts
        The segments that cuts name: territories, and lesions that wedges go around.
    territories
        The parts that the organ was divided into, to tell how much of each stays.
    """

    geometry: Geometry
    organ: tuple[SegmentNode, Labels]
    lesions: tuple[tuple[SegmentNode, Labels], ...]
    vessels: tuple[tuple[SegmentNode, Labels], ...]
    trees: tuple[FrozenTree, ...] = ()
    parts: tuple[tuple[SegmentNode, Labels], ...] = ()
    registration: PlanRegistration = field(default_factory=PlanRegistration)
    territories: tuple[FrozenTerritory, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        """Everything that the numbers depend on, each once."""
        segments = [self.organ[0], *(s for s, _ in (*self.lesions, *self.vessels, *self.parts))]
        return list({node.id: node for node in (*segments, *(tree.node for tree in self.trees))}.values())

    def prepare(self, ctx: Context) -> PartitionInput:
        """Crop, count and attach the vessel trees, once for any number of cuts; takes long."""
        organ = crop_structure(*self.organ, ctx)
        lesions = [crop_structure(*lesion, ctx) for lesion in self.lesions]
        vessels = [crop_structure(*vessel, ctx) for vessel in self.vessels]
        trees = [(tree.system, tree.tree) for tree in self.trees]
        return ctx.apart(_prepared, organ, lesions, vessels, trees, self.geometry, is_liver(self.organ[0]))

    def notices(self) -> list[Notice]:
        """What must be said of the trees before anybody trusts what they lose."""
        found = [_stale_tree(tree.node) for tree in self.trees if tree.stale]
        # Hepatic veins enter the vena cava apart: parts are how they are made.
        broken = [tree.node for tree in self.trees if tree.node.breaks and tree.system != "hepatic"]
        return [*found, *(_broken_tree(node) for node in broken)]

    def cuts(self, models: Sequence[CutModel], prepared: PartitionInput, ctx: Context) -> list[Cut]:
        """The enabled cuts, as the resection functions take them.

        Raises
        ------
        BadInput
            If a surface folds over itself or does not divide the organ, or a curve crosses itself.
        """
        maker = CutMaker(self, prepared)
        return [maker.cut(model, ctx) for model in models if model.enabled]


def crop_structure(segment: SegmentNode, labels: Labels, ctx: Context) -> Structure:
    """A segment as the resection functions take it, cropped."""
    from surgitwin.resection import Structure

    return Structure(segment.name, *crop_of(labels, segment.value, ctx))


def _prepared(
    organ: Structure,
    lesions: list[Structure],
    vessels: list[Structure],
    trees: list[tuple[VesselSystem, VesselTree]],
    geometry: Geometry,
    of_liver: bool,
    ctx: Context,
) -> PartitionInput:
    from surgitwin.resection import prepare

    return prepare(organ, geometry, ctx, lesions=lesions, vessels=vessels, trees=trees, is_liver=of_liver)


def freeze_plan(
    scene: Scene, organ: SegmentNode, lesions: list[SegmentNode], cuts: Iterable[CutModel] = ()
) -> FrozenPlan:
    """What a plan needs of the scene; costs no copy.

    Raises
    ------
    BadInput
        If a structure lies on another grid or is gone, or came by a registration that nobody accepted.
    """
    parts = parts_of(scene, organ, cuts)
    for one in (*lesions, *parts):
        if one.parent != organ.parent:
            message = tr("“{lesion}” lies on another image than “{organ}”. Bring both onto one grid first.")
            raise BadInput(message.format(lesion=one.name, organ=organ.name))

    def frozen(segment: SegmentNode) -> tuple[SegmentNode, Labels]:
        return segment, scene.layer_of(segment).labels.frozen()

    vessels = vessels_of(scene, organ)
    registration = plan_registration(scene, organ, [*lesions, *vessels, *parts])
    registration.check()
    return FrozenPlan(
        scene.segmentation_of(organ).geometry,
        frozen(organ),
        tuple(frozen(lesion) for lesion in lesions),
        tuple(frozen(vessel) for vessel in vessels),
        tuple(FrozenTree(node, tree_of(node), scene.is_stale(node)) for node in trees_of(scene, organ)),
        tuple(frozen(part) for part in parts),
        registration,
        freeze_territories(scene, organ),
    )


def parts_of(scene: Scene, organ: SegmentNode, cuts: Iterable[CutModel]) -> list[SegmentNode]:
    """The segments that cuts name, each once.

    Raises
    ------
    BadInput
        If one is gone.
    """
    wanted: dict[NodeId, None] = {}
    for cut in cuts:
        wanted.update(dict.fromkeys(cut.territories))
        if cut.lesion is not None:
            wanted[cut.lesion] = None
    missing = [key for key in wanted if scene.get(key, SegmentNode) is None]
    if missing:
        raise BadInput(
            tr("A segment that a cut of this plan names is gone. Remove that cut, or bring the segment back.")
        )
    return [scene.expect(key, SegmentNode) for key in wanted]


class CutMaker:
    """Makes the cuts of one frozen plan; what takes long is kept, so that only a cut that changed is made anew."""

    def __init__(self, frozen: FrozenPlan, prepared: PartitionInput) -> None:
        self._frozen, self._prepared = frozen, prepared
        self._kept: dict[str, Cut] = {}
        self._labels = {segment.id: (segment, labels) for segment, labels in frozen.parts}
        self._trees = {tree.node.id: tree.tree for tree in frozen.trees}

    def cut(self, model: CutModel, ctx: Context) -> Cut:
        """The cut as the resection functions take it."""
        from surgitwin.resection import Plane, PlaneCut

        if model.kind == "planes":
            return PlaneCut(tuple(Plane(plane.point_mm, plane.normal) for plane in model.planes))
        key = model.model_dump_json(exclude={"name", "enabled"})
        if key not in self._kept:
            self._kept[key] = self._made(model, ctx)
        return self._kept[key]

    def _made(self, model: CutModel, ctx: Context) -> Cut:
        if model.kind == "patch":
            return self._patch(model)
        if model.kind == "curve":
            return self._curve(model)
        if model.kind == "wedge":
            return self._wedge(model, ctx)
        return self._territories(model, ctx)

    def _patch(self, model: CutModel) -> Cut:
        from surgitwin.resection.bezier import BezierPatch, surface_cut

        assert model.remove_point_mm is not None
        patch = BezierPatch.of(model.control_points_mm)
        return surface_cut(patch, self._prepared.reach, self._frozen.geometry, model.remove_point_mm)

    def _curve(self, model: CutModel) -> Cut:
        from surgitwin.resection.curve_cut import DrawnCurve, curve_cut

        assert model.curve is not None
        drawn = model.curve
        curve = DrawnCurve.of(drawn.points_mm, drawn.closed, drawn.direction, drawn.depth_mm)
        return curve_cut(curve, self._prepared.reach, self._frozen.geometry, model.remove_point_mm)

    def _wedge(self, model: CutModel, ctx: Context) -> Cut:
        from surgitwin.resection.wedge import wedge

        assert model.lesion is not None and model.margin_mm is not None
        return wedge(crop_structure(*self._labels[model.lesion], ctx), model.margin_mm, self._prepared)

    def _territories(self, model: CutModel, ctx: Context) -> Cut:
        """The voxels of the territories and of what the branches feed, with or without the veins on their border."""
        from surgitwin.resection import MaskCut

        box = self._prepared.box
        mask = np.zeros(tuple(reversed(box.size_ijk)), dtype=np.bool_)
        for key in model.territories:
            segment, labels = self._labels[key]
            mask |= labels[box.slices] == segment.value
            ctx.check()
        for chosen in model.branches:
            mask |= self._fed_by(chosen)
        mask = self._without_trunks(mask)
        for vein in model.veins_taken:
            mask = self._with_vein(mask, vein)
        for vein in model.veins_spared:
            mask &= ~self._stem(vein, box)
            mask = self._without_tributaries(mask, vein)
        return MaskCut(mask, box)

    def _without_trunks(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The region without the lumen of vessels that lead through it to what stays.

        The voxels around a trunk lie in some territory, but a surgeon who takes that territory leaves the trunk that
        feeds or drains the rest: see `supply.trunks_to_keep`.
        """
        from surgitwin.vessels.supply import trunks_to_keep

        organ = self._prepared.organ.mask
        removed = mask[organ]
        for supply in self._prepared.supplies:
            if supply.system == "hepatic":
                # Which veins stay is the surgeon's choice (`veins_spared`), but not the mouth that they come to.
                removed = removed & ~supply.lumen(trunks_to_keep(supply, removed))
            else:
                removed = supply.without_trunks(removed)
        kept = mask.copy()
        kept[organ] = removed
        return kept

    def _without_tributaries(self, mask: NDArray[np.bool_], vein: BranchesModel) -> NDArray[np.bool_]:
        """The region without those branches of a spared vein that mostly drain what stays."""
        from surgitwin.vessels.supply import tributaries_to_keep

        organ = self._prepared.organ.mask
        removed = mask[organ]
        supply = self._supply(self._tree(vein))
        kept = mask.copy()
        kept[organ] = removed & ~supply.lumen(tributaries_to_keep(supply, vein.branch, removed))
        return kept

    def _supply(self, tree: VesselTree) -> Supply:
        """The tree attached to the organ; it may have come back from another process as a copy."""
        return next(one for one in self._prepared.supplies if np.array_equal(one.tree.points_mm, tree.points_mm))

    def _stem(self, vein: BranchesModel, box: Box) -> NDArray[np.bool_]:
        """The voxels of a vein's stem."""
        from surgitwin.vessels.stem import stem_points, stem_voxels

        tree = self._tree(vein)
        return stem_voxels(tree, stem_points(tree, vein.branch), box, self._frozen.geometry)

    def _with_vein(self, mask: NDArray[np.bool_], vein: BranchesModel) -> NDArray[np.bool_]:
        """The region with a vein's stem, as far as no other named vein and no trunk of what stays comes through it."""
        from surgitwin.vessels.stem import stem_points, stem_voxels
        from surgitwin.vessels.supply import trunks_to_keep

        tree, organ = self._tree(vein), self._prepared.organ.mask
        own = [b for b in tree.subtree(vein.branch) if len({tree.name_of(one) for one in tree.subtree(b)}) == 1]
        points = stem_points(tree, vein.branch)
        stem = stem_voxels(tree, points[np.isin(tree.branch[points], own)], self._prepared.box, self._frozen.geometry)
        taken = mask | stem
        removed = taken[organ]
        supply = self._supply(tree)
        others = trunks_to_keep(supply, removed) & ~np.isin(tree.branch, own)
        taken[organ] = removed & ~supply.lumen(others)
        return taken

    def _fed_by(self, chosen: BranchesModel) -> NDArray[np.bool_]:
        """The organ's voxels whose nearest centre line is that of the branch or of one beyond it."""
        tree = self._tree(chosen)
        supply = next(
            s for s in self._prepared.supplies if s.tree is tree or np.array_equal(s.tree.points_mm, tree.points_mm)
        )
        fed = np.isin(tree.branch, tree.subtree(chosen.branch))
        mask = np.zeros_like(self._prepared.organ.mask)
        mask[self._prepared.organ.mask] = fed[supply.feeding]
        return mask

    def _tree(self, chosen: BranchesModel) -> VesselTree:
        tree = self._trees.get(chosen.tree)
        if tree is None or chosen.branch not in tree.row_of:
            raise BadInput(
                tr("A branch that a cut of this plan names is gone. Remove that cut, or name another branch.")
            )
        return tree


def _stale_tree(node: VesselTreeNode) -> Notice:
    message = tr("The tree of the {system} (“{name}”) is stale: its segment has changed. Make it again.")
    return Notice("stale-vessel-tree", message.format(system=SYSTEM_NAMES[node.system], name=node.name))


def _broken_tree(node: VesselTreeNode) -> Notice:
    message = tr(
        "“{name}” is in {count} parts, and each counts as fed by itself. Join them; until then what they feed is not"
        " counted as lost when the cut takes what should feed them."
    )
    return Notice("vessel-tree-in-parts", message.format(name=node.name, count=len(node.breaks) + 1))
