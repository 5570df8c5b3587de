"""Everything a user can do, one typed class each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.commands.base import Command

# Each command's word, and the module and class behind it.
_PLACES = {
    "series": "images:ListSeries",
    "new": "images:NewCase",
    "quick": "quick:QuickSurface",
    "add": "images:AddToCase",
    "tree": "look:ShowTree",
    "stats": "look:ShowStatistics",
    "segment": "segmenting:MakeSegment",
    "paint": "drawing:PaintStroke",
    "draw": "drawing:DrawOutline",
    "scissors": "drawing:CutWithScissors",
    "unite": "segments:Unite",
    "crop": "volumes:CropVolume",
    "mask": "volumes:MaskVolume",
    "register": "registering:RegisterImages",
    "landmarks": "registering:MarkLandmarks",
    "accept": "registering:AcceptRegistration",
    "carry": "registering:CarrySegment",
    "mesh": "segments:MakeSurfaces",
    "vessels": "vessels:ExtractVessels",
    "vessel": "vessel_edits:EditVessels",
    "territories": "territories:MakeTerritories",
    "surface": "cut_surface:StartSurface",
    "plan": "planning:PlanResection",
    "duplicate": "planning:DuplicatePlan",
    "sensitivity": "sensitivity:PlanSensitivity",
    "compare": "comparing:ComparePlans",
    "simulate": "simulating:Simulate",
    "validate": "validating:ValidateSimulators",
    "measure": "measuring:MeasureTwin",
    "measurements": "measuring:ListMeasurements",
    "implants": "implanting:ListImplants",
    "implant": "implanting:PlaceImplant",
    "custom": "custom_implants:MakeCustomImplant",
    "shape": "shaping:ShapeForPrint",
    "mark": "marking:MarkPlace",
    "fit": "fitting:FitImplant",
    "sweep": "sweeping:SweepSizes",
    "export": "sharing:ExportCase",
    "print": "printing:PrintModel",
    "report": "reporting:MakeReport",
    "snapshot": "sharing:TakeSnapshot",
    "copy": "sharing:CopyCase",
    "verify": "look:VerifyCase",
    "edit": "properties:EditNode",
    "sign": "signing:SignOffNode",
    "remove": "properties:RemoveNode",
    "show": "properties:ShowSegments",
    "image": "properties:EditImage",
    "confirm-side": "properties:ConfirmSide",
    "patient": "properties:ConfirmPatient",
    "report-settings": "properties:SetReportSettings",
}


class CommandTable(MutableMapping[str, "type[Command]"]):
    """Command classes by their word, in the order in which they are listed.

    A command's module is imported when its class is asked for: all of them take several times as long as most
    commands take to do their work.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._entries: dict[str, str | type[Command]] = dict(places)

    def __getitem__(self, name: str) -> type[Command]:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, kind = entry.split(":")
            entry = self._entries[name] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
        return entry

    def __setitem__(self, name: str, kind: type[Command]) -> None:
        self._entries[name] = kind

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


COMMANDS = CommandTable(_PLACES)


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
