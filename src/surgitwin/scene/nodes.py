"""What a scene is made of. Nodes are frozen; a change replaces them through the edits in `edits`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.ids import NodeId, Revision, new_node_id, new_revision
from surgitwin.core.notices import Notice
from surgitwin.scene.arrays import ArrayData, ArrayField

Color = tuple[int, int, int]
Point = tuple[float, float, float]
SegmentKind = Literal["organ", "lesion", "vessel", "bone", "body", "territory", "other"]
VesselSystem = Literal["portal", "hepatic", "arterial", "biliary", "other"]
CutKind = Literal["planes", "patch", "curve", "territories", "wedge"]
MeasurementKind = Literal["ruler", "angle", "cobb", "curve", "area", "sphere", "box", "diameter", "distance"]
ImplantKind = Literal["screw", "plate", "cup", "stem", "sphere", "cylinder", "patch", "guide", "other"]
ReviewStatus = Literal["draft", "reviewed", "approved"]
WorkStatus = Literal["not-started", "in-progress", "completed", "flagged"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Provenance(Frozen):
    """How a value came to be: what it was computed from, by what, and with which parameters.

    Attributes
    ----------
    inputs
        Node id to the revision that was read. The value is stale once one of them has another revision.
    tool, version
        The command or algorithm, and the version of Surgitwin that ran it.
    automatic
        True if no person drew or confirmed the value.
    """

    tool: str
    version: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[NodeId, Revision] = Field(default_factory=dict)
    automatic: bool = False
    made_at: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class SignOff(Frozen):
    """Who vouches for a segment or a plan, since when, and for what.

    Attributes
    ----------
    content_hash
        SHA-256 of what was looked at: `signing.segment_hash` or `signing.plan_hash`.
    """

    by: str
    at: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    content_hash: str


class Node(Frozen):
    """Anything in the scene.

    `quiet_fields` are looks and results: changing one does not make other results stale.
    """

    type_name: ClassVar[str]
    quiet_fields: ClassVar[frozenset[str]] = frozenset({"name", "visible", "parent", "order", "revision"})

    id: NodeId = Field(default_factory=new_node_id)
    name: str
    parent: NodeId | None = None
    revision: Revision = Field(default_factory=new_revision)
    visible: bool = True
    order: int = Field(default_factory=time.time_ns)

    @property
    def made_from(self) -> Provenance | None:
        """Where a derived node came from; ``None`` for what a person or a file gave."""
        return getattr(self, "provenance", None)

    def arrays(self) -> dict[str, ArrayData]:
        """The node's arrays by field name."""
        values = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in values if isinstance(value, ArrayData)}


class CaseNode(Node):
    """The root: one patient. Height and weight are ``None`` until a person confirmed them."""

    type_name: ClassVar[str] = "case"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"pseudonym", "patient", "log_confirmations"}

    pseudonym: str
    patient: PatientIdentity = PatientIdentity()
    height_cm: float | None = None
    weight_kg: float | None = None
    liver_quality: str = ""
    liver_formula: str = ""
    disease: str = ""
    icg_r15_percent: float | None = None
    age_years: float | None = None
    thoracic_width_cm: float | None = None
    asian: bool | None = None
    log_confirmations: tuple[str, ...] = ()


class VolumeNode(Node):
    """An image on a grid; voxels are indexed [k, j, i]."""

    type_name: ClassVar[str] = "volume"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {
        "window_hu",
        "level_hu",
        "identity",
        "notices",
        "provenance",
    }

    geometry: Geometry
    voxels: ArrayField
    unit: str = ""
    identity: ImageIdentity = ImageIdentity()
    patient: PatientIdentity = PatientIdentity()
    notices: tuple[Notice, ...] = ()
    side_known: bool = True
    window_hu: float | None = None
    level_hu: float | None = None
    provenance: Provenance | None = None


class SegmentationNode(Node):
    """Segments on one grid. Its label layers and its segments are its children."""

    type_name: ClassVar[str] = "segmentation"

    volume: NodeId | None
    geometry: Geometry
    frame_of_reference_uid: str = ""
    side_known: bool = True


class LabelLayerNode(Node):
    """One label array, [k, j, i]; disjoint segments share a layer, overlapping ones lie in several."""

    type_name: ClassVar[str] = "label-layer"

    labels: ArrayField


class CarriedBy(Frozen):
    """The registration that brought a segment over from another image, and the run of it.

    Attributes
    ----------
    revision
        The registration's: one that was computed again since is another.
    source_cut_off
        True if the segment reached the edge of the image that it came from, so that it may not be whole here.
    """

    registration: NodeId
    revision: Revision
    source_cut_off: bool = False


class SegmentNode(Node):
    """One structure: the voxels of ``layer`` that hold ``value``.

    A change of `signed_quiet_fields` makes no other result stale, but ends an approval.
    """

    type_name: ClassVar[str] = "segment"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {
        "color",
        "opacity",
        "status",
        "sign_off",
        "work",
        "provenance",
    }
    signed_quiet_fields: ClassVar[frozenset[str]] = frozenset({"name"})

    layer: NodeId
    value: int = Field(ge=1)
    color: Color
    opacity: float = Field(default=1.0, ge=0.0, le=1.0)
    kind: SegmentKind = "other"
    term: str = ""
    work: WorkStatus = "not-started"
    status: ReviewStatus = "draft"
    sign_off: SignOff | None = None
    # Stays when the segment is edited, whereas `provenance` then says what the edit was.
    carried: tuple[CarriedBy, ...] = ()
    provenance: Provenance | None = None


class SurfaceNode(Node):
    """A closed triangle mesh in LPS mm; the child of its segment, or of the case if it came from a file."""

    type_name: ClassVar[str] = "surface"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"color", "opacity"}

    points: ArrayField
    triangles: ArrayField
    segment: NodeId | None = None
    color: Color = (200, 200, 200)
    opacity: float = Field(default=1.0, ge=0.0, le=1.0)
    side_known: bool = True
    notices: tuple[Notice, ...] = ()
    provenance: Provenance | None = None


class PlaneModel(Frozen):
    """A plane in LPS mm; the side that ``normal`` points to is removed."""

    point_mm: Point
    normal: Point


class BranchModel(Frozen):
    """One branch of a vessel tree; see `vessels.tree.Branch`."""

    id: int
    name: str = ""
    color: Color | None = None
    suggested: bool = False


class BreakModel(Frozen):
    """A part of a vessel tree that lies apart; see `vessels.tree.Break`."""

    root: int
    towards: int
    gap_mm: float


class VesselTreeNode(Node):
    """The centre lines of a vessel segment, LPS mm; the child of that segment. See `vessels.tree.VesselTree`.

    Attributes
    ----------
    points_mm, radii_mm, parents, branch_of
        (n, 3), (n,), (n,) and (n,).
    edited
        True once a person cut, joined, deleted, re-rooted or named something: computing it anew would lose that.
    """

    type_name: ClassVar[str] = "vessel-tree"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"provenance"}

    segment: NodeId
    system: VesselSystem = "other"
    points_mm: ArrayField
    radii_mm: ArrayField
    parents: ArrayField
    branch_of: ArrayField
    branches: tuple[BranchModel, ...]
    breaks: tuple[BreakModel, ...] = ()
    notices: tuple[Notice, ...] = ()
    edited: bool = False
    provenance: Provenance | None = None


class TerritoriesNode(Node):
    """An organ divided by what a vessel tree feeds or drains.

    Attributes
    ----------
    territories
        The segments that hold the parts; together they are the organ.
    unsure
        The segment of the voxels where the methods do not all say the same; None if there is none.
    portal_occluded
        Those of the territories whose portal branch was occluded before the operation, by embolisation or tumour.
    """

    type_name: ClassVar[str] = "territories"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"provenance", "disagreement_percent"}

    organ: NodeId
    tree: NodeId
    method: Literal["nearest", "geodesic", "weighted"] = "nearest"
    territories: tuple[NodeId, ...] = ()
    unsure: NodeId | None = None
    portal_occluded: tuple[NodeId, ...] = ()
    disagreement_percent: float | None = None
    provenance: Provenance | None = None


class CurveModel(Frozen):
    """A line drawn on an organ, and the way that the cut along it goes into the organ, LPS mm."""

    points_mm: tuple[Point, ...]
    closed: bool = False
    direction: Point | None = None
    depth_mm: float | None = None


class BranchesModel(Frozen):
    """What one branch of a vessel tree and all that leaves from it feeds."""

    tree: NodeId
    branch: int


class CutModel(Frozen):
    """One cut of a plan; the cuts of a plan unite.

    Attributes
    ----------
    kind
        Which of the fields below say where the cut is.
    planes
        They intersect: what lies on the normal side of all of them goes.
    control_points_mm
        Rows of the control points of a Bézier patch, LPS mm.
    remove_point_mm
        A point on the side of the patch or curve that goes.
    territories, branches
        Segments that go, and branches whose territory goes.
    veins_taken, veins_spared
        Veins on the border of the territories whose stem goes, or stays, whatever side its voxels are on.
    lesion, margin_mm
        A wedge: what lies within ``margin_mm`` of the lesion goes.
    """

    kind: CutKind = "planes"
    name: str = ""
    enabled: bool = True
    planes: tuple[PlaneModel, ...] = ()
    control_points_mm: tuple[tuple[Point, ...], ...] = ()
    remove_point_mm: Point | None = None
    curve: CurveModel | None = None
    territories: tuple[NodeId, ...] = ()
    branches: tuple[BranchesModel, ...] = ()
    veins_taken: tuple[BranchesModel, ...] = ()
    veins_spared: tuple[BranchesModel, ...] = ()
    lesion: NodeId | None = None
    margin_mm: float | None = None


class PlanNode(Node):
    """One way to operate on an organ. ``numbers`` is the document that the plan command prints.

    Attributes
    ----------
    wish_mm
        The margin that the surgeon wishes for; None until one was given, for there is no default.
    """

    type_name: ClassVar[str] = "plan"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {
        "numbers",
        "provenance",
        "status",
        "sign_off",
        "notes",
    }
    signed_quiet_fields: ClassVar[frozenset[str]] = frozenset({"name", "numbers", "notes"})

    organ: NodeId
    cuts: tuple[CutModel, ...] = ()
    lesions: tuple[NodeId, ...] | None = None
    wish_mm: float | None = Field(default=None, ge=0.0)
    operation: str = ""
    notes: str = ""
    status: ReviewStatus = "draft"
    sign_off: SignOff | None = None
    numbers: dict[str, Any] | None = None
    provenance: Provenance | None = None


class SimulationNode(Node):
    """What a simulator found; the child of its plan, or of the case. See `simulators.base`.

    Attributes
    ----------
    simulator
        Its word on the command line.
    settings
        The parameters as they were given; what was not given was taken from the twin or assumed.
    document
        What the simulate command prints.
    """

    type_name: ClassVar[str] = "simulation"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"document", "provenance"}

    simulator: str
    plan: NodeId | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    document: dict[str, Any] | None = None
    provenance: Provenance | None = None


class MeasurementNode(Node):
    """Something measured on the twin.

    Attributes
    ----------
    points_mm
        What was placed, LPS mm: two ends of a ruler, the end, apex and end of an angle, two lines of a Cobb angle,
        the points along a curve or around an area, the centre of a sphere or box, a place on a centre line.
    of
        The structures it is about: what a curve runs on, the vessel tree of a diameter, the two of a distance.
    volume
        The image whose values are counted in a sphere or box.
    radius_mm, size_mm
        Of a sphere, and of a box along x, y and z.
    plane
        The view that an angle is measured in as it is seen there; ``3d`` is in space.
    document
        What the measure command prints.
    """

    type_name: ClassVar[str] = "measurement"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"color", "document", "provenance"}

    kind: MeasurementKind
    points_mm: tuple[Point, ...] = ()
    of: tuple[NodeId, ...] = ()
    volume: NodeId | None = None
    radius_mm: float | None = Field(default=None, gt=0.0)
    size_mm: Point | None = None
    plane: Literal["3d", "axial", "coronal", "sagittal"] = "3d"
    color: Color = (233, 180, 76)
    document: dict[str, Any] | None = None
    provenance: Provenance | None = None


class ImplantModel(Frozen):
    """One implant of a library, as its manifest describes it; places and directions in the implant's own frame.

    Attributes
    ----------
    id
        ``family/size``; the same on every machine that has the library.
    axes
        Unit vectors by name. ``main`` runs along a screw from its head to its tip, out of the opening of a cup, and
        down a stem.
    reference_points_mm
        By name: ``entry`` and ``tip`` of a screw, ``centre`` of a cup, sphere or stem's head.
    dimensions_mm
        By name: ``diameter``, ``length``, ``thickness`` and so on.
    note
        What the mesh leaves out of the implant.
    generic
        Built in: not a product of anyone.
    patient_specific
        Made for this patient from the twin: a planning model, not for use in a patient.
    """

    id: str
    family: str
    kind: ImplantKind
    name: str
    size: str = ""
    maker: str = ""
    material: str = ""
    licence: str = ""
    axes: dict[str, Point] = Field(default_factory=dict)
    reference_points_mm: dict[str, Point] = Field(default_factory=dict)
    dimensions_mm: dict[str, float] = Field(default_factory=dict)
    note: str = ""
    generic: bool = False
    patient_specific: bool = False


IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


class ImplantNode(Node):
    """An implant placed on the twin.

    Attributes
    ----------
    points, triangles
        A closed mesh in the implant's own frame, mm; already mirrored if ``mirrored``.
    matrix
        4x4, row by row: LPS mm = matrix @ implant mm; a rotation and a translation.
    mirrored
        The mesh is the mirror image (x to -x in its own frame) of the library's.
    onto
        The segment or surface that it is fitted to.
    """

    type_name: ClassVar[str] = "implant"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"color", "opacity", "provenance"}

    item: ImplantModel
    points: ArrayField
    triangles: ArrayField
    matrix: tuple[float, ...] = Field(default=IDENTITY, min_length=16, max_length=16)
    mirrored: bool = False
    onto: NodeId | None = None
    color: Color = (168, 178, 193)
    opacity: float = Field(default=1.0, ge=0.0, le=1.0)
    notices: tuple[Notice, ...] = ()
    provenance: Provenance | None = None


class FitNode(Node):
    """How an implant in its pose fits a structure; the child of the implant. `document`: what the fit command prints.

    Attributes
    ----------
    settings
        As they were given, so that the fit can be computed again: tolerance, structures to keep clear of, landmarks.
    """

    type_name: ClassVar[str] = "fit"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"document", "provenance"}

    implant: NodeId
    onto: NodeId
    settings: dict[str, Any] = Field(default_factory=dict)
    document: dict[str, Any] | None = None
    provenance: Provenance | None = None


class PrintedNode(Node):
    """A file for a printer whose outlines a person has accepted; `provenance` holds the parts as they were then.

    Attributes
    ----------
    file_name
        Without its folder, which may name a patient.
    accepted
        Who, when, and the SHA-256 of the file.
    against
        What the deviation is measured from: ``voxels`` or ``surface``.
    forced
        It was written although its check failed.
    """

    type_name: ClassVar[str] = "printed"

    file_name: str
    accepted: SignOff
    parts: tuple[str, ...]
    process: str
    material: str = ""
    p95_mm: float
    max_mm: float
    against: Literal["voxels", "surface"]
    forced: bool = False
    provenance: Provenance | None = None


class LandmarkNode(Node):
    """A named point in LPS mm."""

    type_name: ClassVar[str] = "landmark"

    position_mm: Point
    frame_of_reference_uid: str = ""


class LandmarkPair(Frozen):
    """One place seen in both images, and how far the registration misses it."""

    fixed_mm: Point
    moving_mm: Point
    error_mm: float = Field(ge=0.0)


class TransformNode(Node):
    """A registration: where points of the ``fixed`` image lie in the ``moving`` one, LPS mm.

    Attributes
    ----------
    matrix
        4x4, row by row: moving = matrix @ (p + displacement(p)).
    displacement
        float32, [k, j, i, 3], mm, on ``grid`` in the fixed image's space; None unless deformable.
    similarity
        Mutual information before and after.
    accepted
        Who looked at it and found it good enough to plan with.
    """

    type_name: ClassVar[str] = "transform"
    quiet_fields: ClassVar[frozenset[str]] = Node.quiet_fields | {"accepted", "landmarks", "provenance"}

    fixed: NodeId
    moving: NodeId
    kind: Literal["rigid", "affine", "deformable"]
    matrix: tuple[float, ...] = Field(min_length=16, max_length=16)
    displacement: ArrayField | None = None
    grid: Geometry | None = None
    similarity: tuple[float, float] = (0.0, 0.0)
    landmarks: tuple[LandmarkPair, ...] = ()
    accepted: SignOff | None = None
    provenance: Provenance | None = None

    @property
    def mean_error_mm(self) -> float | None:
        """The mean target registration error at the landmarks; None if there are none."""
        return sum(pair.error_mm for pair in self.landmarks) / len(self.landmarks) if self.landmarks else None


class ReportSettingsNode(Node):
    """What the report shows; identifiers only if ``show_identity`` was asked for."""

    type_name: ClassVar[str] = "report-settings"

    title: str = ""
    author: str = ""
    show_identity: bool = False
    notes: str = ""


NODE_TYPES: dict[str, type[Node]] = {
    cls.type_name: cls
    for cls in (
        CaseNode,
        VolumeNode,
        SegmentationNode,
        LabelLayerNode,
        SegmentNode,
        SurfaceNode,
        VesselTreeNode,
        TerritoriesNode,
        PlanNode,
        SimulationNode,
        MeasurementNode,
        ImplantNode,
        FitNode,
        PrintedNode,
        LandmarkNode,
        TransformNode,
        ReportSettingsNode,
    )
}
