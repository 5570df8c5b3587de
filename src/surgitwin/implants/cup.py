"""Inclination and anteversion of an acetabular cup, in Murray's three definitions, in a frame that is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
Side = Literal["left", "right"]
Frame = Literal["anterior-pelvic-plane", "ct-table"]
LANDMARKS = ("asis_right", "asis_left", "pubic_tubercle_right", "pubic_tubercle_left")
LEWINNEK = {"inclination_deg": (30.0, 50.0), "anteversion_deg": (5.0, 25.0)}
_LEAST_MM = 20.0


@dataclass(frozen=True)
class Angles:
    """Degrees."""

    inclination_deg: float
    anteversion_deg: float

    def as_json(self) -> dict[str, float]:
        return {"inclination_deg": self.inclination_deg, "anteversion_deg": self.anteversion_deg}


@dataclass(frozen=True, eq=False)
class PelvicFrame:
    """Directions of a pelvis, unit vectors in LPS at right angles; ``tilt_deg`` is None if there are no landmarks.

    Attributes
    ----------
    tilt_deg
        Between the anterior pelvic plane and the CT table, seen from the side; above 0 if the iliac spines lie further
        in front than the pubic tubercles (anterior tilt).
    """

    name: Frame
    left: FloatArray
    anterior: FloatArray
    inferior: FloatArray
    tilt_deg: float | None


@dataclass(frozen=True)
class CupAngles:
    """A cup's angles in one frame; ``in_safe_zone`` is Lewinnek's, for the radiographic ones."""

    frame: Frame
    side: Side
    pelvic_tilt_deg: float | None
    radiographic: Angles
    operative: Angles
    anatomic: Angles

    @property
    def in_safe_zone(self) -> bool:
        low, high = LEWINNEK["inclination_deg"]
        least, most = LEWINNEK["anteversion_deg"]
        found = self.radiographic
        return low <= found.inclination_deg <= high and least <= found.anteversion_deg <= most

    def as_json(self) -> dict[str, Any]:
        return {
            "frame": self.frame,
            "side": self.side,
            "pelvic_tilt_deg": self.pelvic_tilt_deg,
            "radiographic": self.radiographic.as_json(),
            "operative": self.operative.as_json(),
            "anatomic": self.anatomic.as_json(),
            "lewinnek": {
                "inclination_deg": list(LEWINNEK["inclination_deg"]),
                "anteversion_deg": list(LEWINNEK["anteversion_deg"]),
                "within": self.in_safe_zone,
                "note": tr("Information only: there is no universal safe zone."),
            },
        }


TABLE = PelvicFrame("ct-table", np.eye(3)[0], -np.eye(3)[1], -np.eye(3)[2], None)


def pelvic_plane(landmarks_mm: Mapping[str, ArrayLike]) -> PelvicFrame:
    """The anterior pelvic plane: both anterior superior iliac spines and the middle of the pubic tubercles.

    Parameters
    ----------
    landmarks_mm
        LPS mm by the names of `LANDMARKS`.

    Raises
    ------
    BadInput
        If one is missing, right and left are swapped, or they do not span a pelvis.
    """
    missing = [name for name in LANDMARKS if name not in landmarks_mm]
    if missing:
        message = tr(
            "The anterior pelvic plane needs four landmarks; missing: {names}. Place them, or use the CT table."
        )
        raise BadInput(message.format(names=", ".join(missing)))
    places = [np.asarray(landmarks_mm[name], np.float64) for name in LANDMARKS]
    if any(place.shape != (3,) or not np.isfinite(place).all() for place in places):
        raise BadInput(tr("A landmark of the pelvis is not a place: it needs three numbers."))
    right, left, pubis_right, pubis_left = places
    across, down = left - right, (pubis_right + pubis_left) / 2 - (right + left) / 2
    if np.linalg.norm(across) < _LEAST_MM:
        raise BadInput(tr("The landmarks of the iliac spines are less than 20 mm apart. Place them anew."))
    if across @ (pubis_left - pubis_right) <= 0:
        raise BadInput(tr("Right and left of the pelvis's landmarks do not agree. Check which is which."))
    lateral = across / np.linalg.norm(across)
    down = down - (down @ lateral) * lateral
    if np.linalg.norm(down) < _LEAST_MM:
        raise BadInput(tr("The pelvis's landmarks lie nearly on a line, so they span no plane. Place them anew."))
    inferior = down / np.linalg.norm(down)
    anterior = np.cross(inferior, lateral)
    # In LPS, y points back: spines in front of the tubercles make the way down go backwards.
    tilt = float(np.degrees(np.arctan2(inferior[1], -inferior[2])))
    return PelvicFrame("anterior-pelvic-plane", lateral, anterior, inferior, tilt)


def cup_angles(axis_lps: ArrayLike, side: Side, frame: PelvicFrame) -> CupAngles:
    """The three pairs of angles of a cup (Murray, J Bone Joint Surg Br 1993;75:228-232).

    Parameters
    ----------
    axis_lps
        Out of the cup's opening.
    side
        Of the hip: lateral is to this side, so that a left cup has the angles of its mirror image.

    Raises
    ------
    BadInput
        If the axis has no length.
    """
    axis = np.asarray(axis_lps, np.float64)
    length = float(np.linalg.norm(axis))
    if axis.shape != (3,) or not np.isfinite(axis).all() or length < 1e-9:
        raise BadInput(tr("The cup has no axis: its manifest needs one called “main”, out of its opening."))
    axis = axis / length
    lateral = float(axis @ frame.left) * (1.0 if side == "left" else -1.0)
    anterior, inferior = float(axis @ frame.anterior), float(axis @ frame.inferior)

    def degrees(value: float) -> float:
        return float(np.degrees(value))

    return CupAngles(
        frame=frame.name,
        side=side,
        pelvic_tilt_deg=frame.tilt_deg,
        radiographic=Angles(degrees(np.arctan2(lateral, inferior)), degrees(np.arcsin(np.clip(anterior, -1, 1)))),
        operative=Angles(degrees(np.arcsin(np.clip(lateral, -1, 1))), degrees(np.arctan2(anterior, inferior))),
        anatomic=Angles(degrees(np.arccos(np.clip(inferior, -1, 1))), degrees(np.arctan2(anterior, lateral))),
    )


def axis_of(radiographic: Angles, side: Side, frame: PelvicFrame) -> FloatArray:
    """The axis, out of the opening, LPS, of a cup with these radiographic angles."""
    inclination, anteversion = np.radians([radiographic.inclination_deg, radiographic.anteversion_deg])
    lateral = np.sin(inclination) * np.cos(anteversion) * (1.0 if side == "left" else -1.0)
    inferior = np.cos(inclination) * np.cos(anteversion)
    return np.asarray(lateral * frame.left + np.sin(anteversion) * frame.anterior + inferior * frame.inferior)
