"""What a sample case is: how to write it, and what the demo loads and plans on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surgitwin.core.progress import Context

Plane = tuple[float, float, float, float, float, float]
"""A point and a normal, LPS mm; the side that the normal points to is removed."""


@dataclass(frozen=True)
class LabelMap:
    """A label map of a sample and its table (JSON: value to name); both relative to the sample's folder."""

    path: str
    table: str


@dataclass(frozen=True)
class SamplePlan:
    """One way to cut an organ; the planes intersect, as in the command ``plan``."""

    name: str
    organ: str
    planes: tuple[Plane, ...]


@dataclass(frozen=True)
class SampleCase:
    """A case to try things on.

    Attributes
    ----------
    write
        Writes the input files into a folder that is missing, empty or holds an earlier copy.
    dicom_folder
        Where the series is, relative to the sample's folder.
    label_maps
        In the order to add them; later ones may overlap earlier ones.
    plans
        Two plans to compare.
    """

    name: str
    title: str
    description: str
    write: Callable[[Path, Context], None]
    label_maps: tuple[LabelMap, ...]
    plans: tuple[SamplePlan, ...]
    dicom_folder: str = "dicom"
