"""Shape of an intracranial aneurysm, PHASES, and a logistic model that the user brings.

Definitions and validation: docs/developer/aneurysm.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.aneurysm.closing import close_sac
from surgitwin.simulators.aneurysm.from_twin import AneurysmInputs, read_twin
from surgitwin.simulators.aneurysm.logistic import evaluate, load_model, model_document
from surgitwin.simulators.aneurysm.morphology import Shape
from surgitwin.simulators.aneurysm.params import AneurysmParams
from surgitwin.simulators.aneurysm.parent import ParentDiameter, parent_diameter
from surgitwin.simulators.aneurysm.phases import phases, risk_percent, size_points
from surgitwin.simulators.aneurysm.placing import neck_override, placed_plane
from surgitwin.simulators.aneurysm.plane import NeckPlane
from surgitwin.simulators.aneurysm.reference import thresholds
from surgitwin.simulators.aneurysm.scores import answers_of, model_inputs, parse_values
from surgitwin.simulators.aneurysm.variation import SHAPE_VALUES, Site, Varied, extremes, varied
from surgitwin.simulators.base import Driver, Known, PlanUse, Result, Simulator
from surgitwin.simulators.checks import Check
from surgitwin.simulators.sampling import draw, drivers, summarise
from surgitwin.simulators.spread import normal

FloatArray = NDArray[np.float64]

OUTPUTS: Mapping[str, tuple[str, str]] = {
    "aspect_ratio": (tr("Aspect ratio (height to neck)"), ""),
    "size_ratio": (tr("Size ratio (largest height to parent vessel)"), ""),
    "nonsphericity_index": (tr("Non-sphericity index"), ""),
    "d_max_mm": (tr("Largest diameter of the sac"), "mm"),
    "d_neck_mm": (tr("Neck diameter (circle of the same area)"), "mm"),
    "d_neck_max_mm": (tr("Largest neck diameter"), "mm"),
    "h_mm": (tr("Height at right angles to the neck"), "mm"),
    "h_max_mm": (tr("Largest height from the middle of the neck"), "mm"),
    "w_max_mm": (tr("Largest width parallel to the neck"), "mm"),
    "parent_diameter_mm": (tr("Mean diameter of the parent vessel"), "mm"),
    "volume_mm3": (tr("Volume of the sac"), "mm³"),
    "area_mm2": (tr("Wall of the sac, without the neck"), "mm²"),
    "bottleneck_factor": (tr("Bottleneck factor (width to neck)"), ""),
    "height_width_ratio": (tr("Height to width"), ""),
    "undulation_index": (tr("Undulation index"), ""),
    "ellipticity_index": (tr("Ellipticity index"), ""),
    "phases_points": (tr("PHASES (recalled, not checked against the paper)"), tr("points")),
    "phases_risk_percent": (tr("Risk of rupture within 5 years by PHASES (recalled)"), "%"),
    "model_percent": (tr("Probability by the model that was given"), "%"),
}
MAIN = ("aspect_ratio", "size_ratio", "nonsphericity_index", "d_max_mm")
SHIFT, TILTS = "neck_shift_voxels", ("neck_tilt_first_degrees", "neck_tilt_second_degrees")
PARENT = "parent_diameter_mm"
PARENT_MM = (0.3, 30.0)


class Aneurysm(Simulator[AneurysmParams, AneurysmInputs]):
    """Measures an aneurysm's sac and neck, and scores it."""

    name: ClassVar[str] = "aneurysm"
    title: ClassVar[str] = tr("Intracranial aneurysm")
    summary: ClassVar[str] = tr(
        "Neck, size and shape of an intracranial aneurysm, PHASES, and a published model that you bring."
    )
    references: ClassVar[tuple[str, ...]] = (
        "Raghavan ML, et al. J Neurosurg 2005;102:355-362 (abstract read)",
        "Dhar S, et al. Neurosurgery 2008;63:185-197 (recalled)",
        "Greving JP, et al. Lancet Neurol 2014;13:59-66 (points and risks recalled)",
    )
    Params = AneurysmParams
    plan: ClassVar[PlanUse] = "no"

    @classmethod
    def checks(cls) -> Sequence[Check]:
        from surgitwin.simulators.aneurysm.validation import aneurysm_checks

        return aneurysm_checks()

    def gather(self, scene: Scene | None, plan: PlanNode | None, params: AneurysmParams) -> AneurysmInputs:
        inputs = read_twin(scene, params)
        neck_override(params)
        if params.asks_phases:
            phases(answers_of(params, None))
        parse_values(params.model_values)
        if not params.model:
            if params.model_values:
                raise BadInput(tr("model_values are for a model: name its file with model, or leave them out."))
            return inputs
        path = Path(params.model).expanduser()
        model = load_model(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return replace(inputs, model=model, facts={"model_file": path.name, "model_sha256": digest})

    def solve(self, inputs: AneurysmInputs, params: AneurysmParams, ctx: Context) -> Result:
        return measured(inputs, params, ctx)

    def sampled(
        self, inputs: AneurysmInputs, params: AneurysmParams, count: int, seed: int, ctx: Context
    ) -> Mapping[str, FloatArray]:
        wanted = params.model_copy(update={"samples": count, "seed": seed})
        return _scored(_site(inputs), inputs, wanted, ctx).found.samples


@dataclass(frozen=True, eq=False)
class _Found:
    """Everything that was measured.

    Attributes
    ----------
    drawn
        (n,) of each quantity, of the planes that could be measured; empty without samples.
    samples
        (n,) of each output.
    """

    plane: NeckPlane
    shape: Shape
    parent: ParentDiameter | None
    parent_known: Known | None
    drawn: Mapping[str, FloatArray]
    samples: dict[str, FloatArray]
    lost: int


@dataclass(frozen=True, eq=False)
class _Scored:
    """What was measured, with the scores: the point value of each output, what else there is to tell."""

    found: _Found
    point: Mapping[str, float | None]
    details: Mapping[str, Any]
    notices: Sequence[Notice]


def _site(inputs: AneurysmInputs) -> Site:
    if inputs.surface is None:
        raise BadInput(tr("The sac has no surface: it must be made before the sac can be measured."))
    return Site(inputs.surface, *inputs.neck_and_stump)


def _scored(site: Site, inputs: AneurysmInputs, params: AneurysmParams, ctx: Context) -> _Scored:
    found = _measure(site, inputs, params, ctx)
    point: dict[str, float | None] = {name: float(getattr(found.shape, name)) for name in SHAPE_VALUES}
    if found.parent_known is not None:
        point[PARENT] = found.parent_known.point
        point["size_ratio"] = found.shape.size_ratio(found.parent_known.point)
    details: dict[str, Any] = dict(inputs.facts)
    _score_phases(params, found, point, details)
    notices = _score_model(inputs, params, found, point, details)
    return _Scored(found, point, details, notices)


def measured(inputs: AneurysmInputs, params: AneurysmParams, ctx: Context) -> Result:
    """Measure, vary the neck plane, score.

    Raises
    ------
    BadInput
        If there is no neck, the plane misses the sac, or the model lacks something.
    """
    site = _site(inputs)
    scored = _scored(site, inputs, params, ctx.part(0.0, 0.7))
    found, point = scored.found, scored.point
    details: dict[str, Any] = {
        "neck": _neck_document(site, found, params),
        "plane_range": extremes(site, found.plane, ctx.part(0.7, 1.0)),
        "parent": _parent_document(found, inputs),
        "definitions": DEFINITIONS,
        **scored.details,
    }
    notices = [*_first_notices(inputs), *site.neck.notices, *_plane_notices(found), *scored.notices]
    outputs = [
        summarise(name, *OUTPUTS[name], point.get(name), found.samples.get(name))
        for name in OUTPUTS
        if name in point or name == "size_ratio"
    ]
    return Result(
        outputs,
        MAIN,
        _drivers(inputs, found),
        thresholds(outputs, found.samples),
        notices,
        details,
    )


def _measure(site: Site, inputs: AneurysmInputs, params: AneurysmParams, ctx: Context) -> _Found:
    placed = placed_plane(site, params)
    at = {name: known.point for name, known in inputs.quantities.items()}
    plane = placed.moved(at[SHIFT] * site.neck.step_mm, (at[TILTS[0]], at[TILTS[1]]))
    shape = site.shape(plane)
    parent, known = _parent_of(site, plane, inputs)
    if not params.samples:
        return _Found(plane, shape, parent, known, {}, {}, 0)
    quantities = dict(inputs.quantities) | ({PARENT: known} if known is not None else {})
    drawn = draw(quantities, params.samples, params.seed)
    found = varied(site, placed, drawn[SHIFT], np.stack([drawn[name] for name in TILTS], axis=1), ctx)
    kept = {name: values[found.kept] for name, values in drawn.items()}
    return _Found(plane, shape, parent, known, kept, _sampled(found, kept), int((~found.kept).sum()))


def _parent_of(site: Site, plane: NeckPlane, inputs: AneurysmInputs) -> tuple[ParentDiameter | None, Known | None]:
    """The parent's diameter, as it was given or as the tree has it."""
    if PARENT in inputs.quantities:
        return None, inputs.quantities[PARENT]
    if inputs.tree is None:
        return None, None
    found = parent_diameter(inputs.tree, np.array(plane.point_mm), inputs.voxel_mm)
    mark = AneurysmParams.quantities()[PARENT]
    source = tr("vessel tree “{name}” within {mm:.1f} mm of the neck").format(name=inputs.tree_name, mm=found.window_mm)
    spread = normal(found.mean_mm, found.sd_mm)
    known = Known(PARENT, mark.title, mark.unit, spread, *PARENT_MM, "twin", found.mean_mm, source, "D")
    return found, known


def _sampled(found: Varied, drawn: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    samples = dict(found.values)
    if PARENT in drawn:
        samples[PARENT] = drawn[PARENT]
        samples["size_ratio"] = samples["h_max_mm"] / drawn[PARENT]
    return samples


def _score_phases(
    params: AneurysmParams, found: _Found, point: dict[str, float | None], details: dict[str, Any]
) -> None:
    if not params.asks_phases:
        details["phases"] = None
        return
    answers = answers_of(params, found.shape.d_max_mm)
    score = phases(answers)
    details["phases"] = score.as_json()
    point["phases_points"] = float(score.total) if score.total is not None else None
    point["phases_risk_percent"] = score.risk_percent
    size = found.samples.get("d_max_mm")
    if score.total is None or size is None or answers.size_from == "given":
        return
    others = score.total - size_points(found.shape.d_max_mm)
    totals = [others + size_points(float(one)) for one in size]
    found.samples["phases_points"] = np.array(totals, dtype=np.float64)
    found.samples["phases_risk_percent"] = np.array([risk_percent(total) for total in totals])


def _score_model(
    inputs: AneurysmInputs,
    params: AneurysmParams,
    found: _Found,
    point: dict[str, float | None],
    details: dict[str, Any],
) -> list[Notice]:
    model = inputs.model
    if model is None:
        details["model"] = None
        return []
    result = evaluate(model, model_inputs(params, {name: value for name, value in point.items() if value is not None}))
    point["model_percent"] = 100.0 * float(result.probability[0])
    if found.samples:
        varying = {name: found.samples.get(name, value) for name, value in point.items() if value is not None}
        percent = 100.0 * evaluate(model, model_inputs(params, varying)).probability
        found.samples["model_percent"] = np.broadcast_to(percent, (len(found.samples["h_mm"]),)).copy()
    details["model"] = model_document(model)
    notices = list(result.notices)
    if model.teaching:
        message = tr("The model “{name}” is an invented example for teaching: its probability means nothing.")
        notices.insert(0, Notice("invented-model", message.format(name=model.name)))
    message = tr(
        "“{name}” was read from a file as it stands; nobody checked it against its publication. It gives the share of"
        " its population, not this patient's risk."
    )
    text = message.format(name=model.name)
    return [*notices, Notice("model-as-given", text)]


DEFINITIONS: dict[str, str] = {
    "aspect_ratio": "h_mm / d_neck_mm",
    "size_ratio": "h_max_mm / parent_diameter_mm",
    "bottleneck_factor": "w_max_mm / d_neck_mm",
    "height_width_ratio": "h_mm / w_max_mm",
    "undulation_index": "1 - V / V_hull",
    "ellipticity_index": "1 - (18 pi)^(1/3) V_hull^(2/3) / S_hull",
    "nonsphericity_index": "1 - (18 pi)^(1/3) V^(2/3) / S",
    "d_neck_mm": "diameter of the circle with the area of the neck opening",
    "w_max_mm": "largest distance between two points at one height above the neck plane",
}


def _neck_document(site: Site, found: _Found, params: AneurysmParams) -> dict[str, Any]:
    neck, shape = site.neck, found.shape
    sac = close_sac(site.mesh, found.plane, neck.dome_mm)
    return {
        "found": not (params.neck_point_mm or params.neck_normal),
        "point_mm": list(found.plane.point_mm),
        "normal": list(found.plane.normal),
        "interface_rms_mm": neck.rms_mm,
        "interface_deepest_mm": neck.deepest_mm,
        "voxel_along_normal_mm": neck.step_mm,
        "area_mm2": shape.neck_area_mm2,
        "d_neck_area_mm": shape.d_neck_mm,
        "d_neck_mean_mm": shape.d_neck_mean_mm,
        "d_neck_max_mm": shape.d_neck_max_mm,
        "aspect_ratio_largest_neck": shape.aspect_ratio_largest_neck,
        "openings": shape.necks,
        "outlines_mm": [np.round(outline, 3).tolist() for outline in sac.outlines],
        "frame": "LPS",
    }


def _parent_document(found: _Found, inputs: AneurysmInputs) -> dict[str, Any] | None:
    if found.parent_known is None:
        return None
    document: dict[str, Any] = {**found.parent_known.as_json(), "tree": inputs.tree_name or None, "branches": []}
    if found.parent is not None:
        document["distance_mm"] = found.parent.distance_mm
        document["window_mm"] = found.parent.window_mm
        document["branches"] = [
            {"branch": one.branch, "name": one.name, "diameter_mm": one.diameter_mm, "points": one.points}
            for one in found.parent.branches
        ]
    return document


def _first_notices(inputs: AneurysmInputs) -> list[Notice]:
    found = [
        Notice(
            "simulated",
            tr("Simulated, and not validated on patients of this hospital: it supports a decision, and makes none."),
        ),
        Notice(
            "neck-interval",
            tr(
                "The intervals cover where the neck plane lies and how wide the parent is, not errors of the"
                " segmentation."
            ),
        ),
        *inputs.notices,
    ]
    if inputs.cut_off:
        text = tr("The sac reaches the edge of the image: it is cut off there, and its true size is larger.")
        found.append(Notice("sac-cut-off", text))
    return found


def _plane_notices(found: _Found) -> list[Notice]:
    notices: list[Notice] = []
    if found.shape.necks > 1:
        message = tr("The neck plane cuts the sac in {count} places, not in its neck alone. Move or tilt the plane.")
        notices.append(Notice("several-openings", message.format(count=found.shape.necks)))
    if found.lost:
        message = tr("{count} of the varied neck planes missed the sac and were left out of the intervals.")
        notices.append(Notice("planes-left-out", message.format(count=found.lost), {"planes": found.lost}))
    if found.parent_known is None:
        text = tr(
            "The size ratio is not assessed: the parent vessel has no tree. Make one (vessels CASE --segment NAME), or"
            " give parent_diameter_mm."
        )
        notices.append(Notice("size-ratio-not-assessed", text))
    return notices


def _drivers(inputs: AneurysmInputs, found: _Found) -> list[Driver]:
    titles = {name: known.title for name, known in inputs.quantities.items()}
    if found.parent_known is not None:
        titles[PARENT] = found.parent_known.title
    return [
        driver
        for name in MAIN
        if name in found.samples
        for driver in drivers(name, found.samples[name], found.drawn, titles)
    ]
