"""Everything a user can do, one typed class each."""

from surgitwin.commands.base import Command
from surgitwin.commands.comparing import ComparePlans
from surgitwin.commands.custom_implants import MakeCustomImplant
from surgitwin.commands.cut_surface import StartSurface
from surgitwin.commands.drawing import CutWithScissors, DrawOutline, PaintStroke
from surgitwin.commands.fitting import FitImplant
from surgitwin.commands.images import AddToCase, ListSeries, NewCase
from surgitwin.commands.implanting import ListImplants, PlaceImplant
from surgitwin.commands.look import ShowStatistics, ShowTree, VerifyCase
from surgitwin.commands.marking import MarkPlace
from surgitwin.commands.measuring import ListMeasurements, MeasureTwin
from surgitwin.commands.planning import DuplicatePlan, PlanResection
from surgitwin.commands.printing import PrintModel
from surgitwin.commands.properties import (
    ConfirmPatient,
    ConfirmSide,
    EditImage,
    EditNode,
    RemoveNode,
    SetReportSettings,
    ShowSegments,
)
from surgitwin.commands.quick import QuickSurface
from surgitwin.commands.registering import AcceptRegistration, CarrySegment, MarkLandmarks, RegisterImages
from surgitwin.commands.reporting import MakeReport
from surgitwin.commands.segmenting import MakeSegment
from surgitwin.commands.segments import MakeSurfaces, Unite
from surgitwin.commands.sensitivity import PlanSensitivity
from surgitwin.commands.shaping import ShapeForPrint
from surgitwin.commands.sharing import CopyCase, ExportCase, TakeSnapshot
from surgitwin.commands.signing import SignOffNode
from surgitwin.commands.simulating import Simulate
from surgitwin.commands.sweeping import SweepSizes
from surgitwin.commands.territories import MakeTerritories
from surgitwin.commands.validating import ValidateSimulators
from surgitwin.commands.vessel_edits import EditVessels
from surgitwin.commands.vessels import ExtractVessels
from surgitwin.commands.volumes import CropVolume, MaskVolume
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

COMMANDS: dict[str, type[Command]] = {
    kind.name: kind
    for kind in (
        ListSeries,
        NewCase,
        QuickSurface,
        AddToCase,
        ShowTree,
        ShowStatistics,
        MakeSegment,
        PaintStroke,
        DrawOutline,
        CutWithScissors,
        Unite,
        CropVolume,
        MaskVolume,
        RegisterImages,
        MarkLandmarks,
        AcceptRegistration,
        CarrySegment,
        MakeSurfaces,
        ExtractVessels,
        EditVessels,
        MakeTerritories,
        StartSurface,
        PlanResection,
        DuplicatePlan,
        PlanSensitivity,
        ComparePlans,
        Simulate,
        ValidateSimulators,
        MeasureTwin,
        ListMeasurements,
        ListImplants,
        PlaceImplant,
        MakeCustomImplant,
        ShapeForPrint,
        MarkPlace,
        FitImplant,
        SweepSizes,
        ExportCase,
        PrintModel,
        MakeReport,
        TakeSnapshot,
        CopyCase,
        VerifyCase,
        EditNode,
        SignOffNode,
        RemoveNode,
        ShowSegments,
        EditImage,
        ConfirmSide,
        ConfirmPatient,
        SetReportSettings,
    )
}


def command_named(name: str) -> type[Command]:
    """The command class behind a word.

    Raises
    ------
    BadInput
        If there is none.
    """
    if name not in COMMANDS:
        raise BadInput(
            tr("There is no command “{name}”. There are: {names}.").format(name=name, names=", ".join(COMMANDS))
        )
    return COMMANDS[name]
