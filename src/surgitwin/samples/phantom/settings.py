"""What can be chosen about the liver phantom."""

from __future__ import annotations

import math
from dataclasses import dataclass

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.text import tr

FIELD_OF_VIEW_MM = (380.0, 380.0, 300.0)
"""The part of the body that the default grid shows, centred on the origin of the phantom's LPS coordinates."""

MOST_VOXELS = 800_000_000


@dataclass(frozen=True)
class PhantomSettings:
    """A liver phantom, wholly determined by these values: equal settings give equal images and truth.

    Attributes
    ----------
    size_ijk
        Voxels along i (to the patient's left), j (to the back) and k (to the head).
    spacing_mm
        Along i, j and k; None keeps the field of view of 380 x 380 x 300 mm whatever the size. The grid is centred
        on the field of view, so a finer spacing alone shows less of the body.
    seed
        Chooses the vessel trees, the tumours' place and size, the bowel and the noise; from 0 to 2**32 - 1.
    noise_hu
        Standard deviation of the noise in the image, Hounsfield units; 0 for none.
    blur_mm
        Standard deviation of the scanner's point spread (Gaussian, the same in all directions), mm; 0 for none.
    portal_terminals, hepatic_terminals
        End branches to grow; each feeds or drains the same share. Those that find no clear way between the other
        vessels, about one in ten, are left out.
    portal_radius_mm
        Radius that the main portal vein would have at its root with all its end branches.
    hepatic_radius_mm
        Likewise the cube root of the sum of the cubed radii of all hepatic veins at the inferior vena cava.
    """

    size_ijk: tuple[int, int, int] = (512, 512, 200)
    spacing_mm: tuple[float, float, float] | None = None
    seed: int = 1
    noise_hu: float = 12.0
    blur_mm: float = 0.7
    portal_terminals: int = 400
    hepatic_terminals: int = 320
    portal_radius_mm: float = 6.5
    hepatic_radius_mm: float = 6.8

    def __post_init__(self) -> None:
        for name, low, high in (
            ("seed", 0, 2**32 - 1),
            ("noise_hu", 0, 500),
            ("blur_mm", 0, 20),
            ("portal_terminals", 16, 3000),
            ("hepatic_terminals", 16, 3000),
            ("portal_radius_mm", 3, 8),
            ("hepatic_radius_mm", 3, 8),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(
                    tr("The phantom's {name} must lie between {low} and {high}; it is {value}.").format(
                        name=name, low=low, high=high, value=value
                    )
                )
        size, spacing = list(self.size_ijk), list(self.spacing_mm or (1.0, 1.0, 1.0))
        if len(size) != 3 or min(size) < 16 or math.prod(size) > MOST_VOXELS:
            raise BadInput(
                tr(
                    "The phantom's size must be three numbers of at least 16 voxels, {most} in all; it is {size}."
                ).format(most=MOST_VOXELS, size=self.size_ijk)
            )
        if len(spacing) != 3 or not all(0.1 <= value <= 30 for value in spacing):
            raise BadInput(
                tr("The phantom's spacing must be three numbers between 0.1 and 30 mm; it is {spacing}.").format(
                    spacing=self.spacing_mm
                )
            )

    @property
    def name(self) -> str:
        """A text that differs whenever the phantom differs; the UIDs come from it."""
        return f"liver-phantom/{self!r}"

    def geometry(self) -> Geometry:
        """The grid: axes along L, P and S, centred on the origin."""
        spacing = self.spacing_mm or tuple(
            length / n for length, n in zip(FIELD_OF_VIEW_MM, self.size_ijk, strict=True)
        )
        origin = tuple(-(n - 1) / 2 * step for n, step in zip(self.size_ijk, spacing, strict=True))
        return Geometry.from_parts(self.size_ijk, spacing, origin)
