"""What the aneurysm simulator may be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from surgitwin.core.text import tr
from surgitwin.simulators.base import Quantity, SegmentText, SimulatorParams, Uncertain
from surgitwin.simulators.spread import uniform

Answer = Literal["unknown", "yes", "no"]
PopulationChoice = Literal["unknown", "north-america", "europe", "japan", "finland"]
SiteChoice = Literal["unknown", "ica", "mca", "aca", "pcom", "posterior"]

PLACING = tr("how far two people may place a neck plane apart; assumed for this program, no publication behind it")
TILT = (-30.0, 30.0)


class AneurysmParams(SimulatorParams):
    """Which sac on which vessel, where its neck is, and what PHASES and a logistic model ask."""

    samples: int = Field(
        default=100,
        ge=0,
        le=2000,
        description=tr("how many neck planes the interval is made from; 0 gives the value for the plane alone"),
    )
    sac: SegmentText = Field(default="", title=tr("Sac"), description=tr("the segment of the aneurysm's sac"))
    parent: SegmentText = Field(
        default="", title=tr("Parent vessel"), description=tr("the segment of the vessel that the sac arises from")
    )
    tree: str = Field(
        default="",
        title=tr("Vessel tree"),
        description=tr("the vessel tree that the parent's diameter is read from; that of the parent if not given"),
    )
    neck_point_mm: str = Field(
        default="",
        title=tr("Neck, a point (mm)"),
        description=tr("x,y,z in LPS mm of a point of the neck plane; found if not given"),
    )
    neck_normal: str = Field(
        default="",
        title=tr("Neck, direction"),
        description=tr("x,y,z of the direction in which the sac leaves the vessel; found if not given"),
    )
    parent_diameter_mm: Annotated[Uncertain, Quantity(tr("mean diameter of the parent vessel"), "mm", 0.3, 30)] = None
    neck_shift_voxels: Annotated[
        Uncertain,
        Quantity(
            tr("shift of the neck plane towards the sac"),
            "voxel",
            -3,
            3,
            uniform(-1, 1),
            source=PLACING,
            tag="D",
        ),
    ] = None
    neck_tilt_first_degrees: Annotated[
        Uncertain,
        Quantity(tr("tilt of the neck plane"), "°", *TILT, uniform(-5, 5), source=PLACING, tag="D"),
    ] = None
    neck_tilt_second_degrees: Annotated[
        Uncertain,
        Quantity(tr("tilt of the neck plane, across"), "°", *TILT, uniform(-5, 5), source=PLACING, tag="D"),
    ] = None
    population: PopulationChoice = Field(
        default="unknown", title=tr("PHASES: population"), description=tr("PHASES: the patient's population")
    )
    hypertension: Answer = Field(
        default="unknown", title=tr("PHASES: hypertension"), description=tr("PHASES: hypertension")
    )
    age_years: float | None = Field(
        default=None, title=tr("PHASES: age (years)"), description=tr("PHASES: age in years")
    )
    size_mm: float | None = Field(
        default=None,
        title=tr("PHASES: size (mm)"),
        description=tr("PHASES: largest diameter in mm; that of the segment if not given"),
    )
    earlier_sah: Answer = Field(
        default="unknown",
        title=tr("PHASES: earlier bleed"),
        description=tr("PHASES: earlier subarachnoid haemorrhage from another aneurysm"),
    )
    site: SiteChoice = Field(
        default="unknown",
        title=tr("PHASES: site"),
        description=tr("PHASES: internal carotid, middle cerebral, anterior (communicating), pcom, or posterior"),
    )
    ruptured: bool = Field(default=False, description=tr("this aneurysm has ruptured: PHASES does not hold for it"))
    model: str = Field(
        default="", title=tr("Logistic model (file)"), description=tr("JSON file of a published logistic model")
    )
    model_values: str = Field(
        default="",
        title=tr("Values for the model"),
        description=tr("further values for the model: NAME=VALUE UNIT, commas between them, 1 for no unit"),
    )

    @property
    def asks_phases(self) -> bool:
        """Whether anything was answered that only PHASES asks for."""
        words = (self.population, self.hypertension, self.earlier_sah, self.site)
        return any(word != "unknown" for word in words) or self.size_mm is not None
