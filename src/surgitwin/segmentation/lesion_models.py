"""What a lesion looks like beside what is around it, and where its border lies between the two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray
from surgitwin.core.text import tr
from surgitwin.segmentation.local_grid import Field
from surgitwin.segmentation.runs import Mask

_QUIET_MM = 1.0
_QUIET_VOXELS = 0.8
_LAG_MM = 3.0
_LIMIT_SHARE = 0.25
_STEEP = 0.5
_STEEP_COSTS = np.float32(-0.1)
_TISSUE_SHARE = 0.12


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The values in and around a lesion, in the image's unit.

    Attributes
    ----------
    quiet
        The image with its noise softened, on the cube.
    middle
        The value at the point.
    below, above
        The tissues around whose values are nearest to ``middle``; None where there is none on that side.
    noise
        Standard deviation of what is left of the noise in ``quiet``.
    slope_per_mm
        How steeply ``quiet`` rises or falls.
    """

    quiet: Field
    middle: float
    below: float | None
    above: float | None
    noise: float
    slope_per_mm: Field

    @staticmethod
    def of(image: Field, distance: Field, valid: Mask, radius_mm: float, step: float) -> Surroundings:
        """Look at the image on a cube with voxels of ``step`` mm; ``distance`` is that from the click in mm.

        The tissues are the peaks of the histogram outside ``radius_mm``, where ``valid``.

        Raises
        ------
        BadInput
            If there is no tissue around that the lesion's value can be told from.
        """
        from scipy import ndimage

        quiet = ndimage.gaussian_filter(image, _QUIET_MM / step, mode="nearest")
        core = quiet[(distance <= max(min(0.25 * radius_mm, 4.0), 1.1 * step)) & valid]
        middle = float(np.median(core))
        noise = max(_spread(quiet, distance, radius_mm, step), 1e-3 * (float(np.ptp(quiet)) or 1.0))
        shell = quiet[valid & (distance > radius_mm) & (distance < 2 * radius_mm + 3)]
        below, above = _nearest_peaks(shell if shell.size else quiet[valid], middle, noise)
        if below is None and above is None:
            message = tr(
                "The value at the point, {value:.4g}, is also that of what is around it; no lesion is seen. Give a "
                "larger radius, or paint it."
            )
            raise BadInput(message.format(value=middle))
        slope = ndimage.gaussian_gradient_magnitude(image, _QUIET_MM / step, mode="nearest") / step
        return Surroundings(quiet, middle, below, above, noise, np.asarray(slope, dtype=np.float32))

    @property
    def host(self) -> float:
        """The tissue that the lesion lies in: the nearer one."""
        known = [value for value in (self.below, self.above) if value is not None]
        return min(known, key=lambda value: abs(value - self.middle))

    def away(self, sign: float) -> float:
        """How far the next tissue below (-1) or above (1) is from the lesion's value."""
        peak = self.below if sign < 0 else self.above
        # With no tissue on one side, values far off are still no lesion: calcium, gas.
        return abs(peak - self.middle) if peak is not None else max(6 * self.noise, 1.5 * abs(self.host - self.middle))

    def cost(self) -> Field:
        """-1 where the value is the lesion's, 1 where it is a tissue's; 0 at a quarter of the way to the lesion.

        A lesion's rim is often halfway between its middle and its organ, and belongs to it.
        """
        cost = np.full(self.quiet.shape, -1.0, dtype=np.float32)
        for sign in (-1.0, 1.0):
            away = self.away(sign)
            slack = _LIMIT_SHARE * away
            np.maximum(cost, (self.quiet - (self.middle + sign * (away - slack))) * (sign / slack), out=cost)
        # Between the organ and fat or lung values pass through the lesion's: they say nothing there.
        steep = self.slope_per_mm > _STEEP * abs(self.host - self.middle) + 3 * self.noise
        cost[steep & (cost < _STEEP_COSTS)] = _STEEP_COSTS
        return np.clip(cost, -1, 1)

    def contrast_to_noise(self) -> float:
        """Noises between the limit of `cost` and the tissue that the lesion lies in."""
        return _LIMIT_SHARE * abs(self.host - self.middle) / self.noise

    def foreign(self) -> Mask:
        """Where there is neither lesion nor the tissue that it lies in."""
        low, high = sorted((self.middle, self.host))
        slack = max(4 * self.noise, 0.5 * (high - low))
        return np.asarray((self.quiet < low - slack) | (self.quiet > high + slack))


def signed_distance(inside: Mask, step: float) -> Field:
    """Distance from the border in mm, negative inside."""
    from scipy import ndimage

    out = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    # Softened, because distances from a border of cubes come in steps.
    away = ndimage.gaussian_filter(out - 0.5 * np.sign(out), _QUIET_VOXELS)
    return np.asarray(away * step, dtype=np.float32)


def border_offset(image: Field, away: Field, usable: Mask, step: float) -> float:
    """How far outside (or, negative, inside) of where ``away`` is 0 the lesion's border lies, mm.

    The mean value at each distance, over the whole border, falls from the lesion's to its organ's in one blurred
    step, or in two when it has a rim. Both are fitted; the border is the middle of the outermost step.

    Parameters
    ----------
    away
        `signed_distance` from a rough border, mm.
    usable
        Where neither another tissue nor the end of the image disturbs.
    """
    deepest = float(-away[usable].min(initial=0.0))
    low, high, width = -min(deepest, _PROFILE_MM), 5.0, max(0.5, 0.5 * step)
    near = usable & (away > low) & (away < high)
    place = ((away[near] - low) / width).astype(np.int64)
    count = np.bincount(place).astype(np.float64)
    mean = np.bincount(place, weights=image[near]) / np.maximum(count, 1)
    at = np.bincount(place, weights=away[near]) / np.maximum(count, 1)
    full = count >= 5
    if np.count_nonzero(full) < 6:
        return 0.0
    single, double = _fit_steps(at[full], mean[full], np.sqrt(count[full]))
    # Noise or large voxels leave open whether there is a rim; the border then lies between the two answers.
    rim = float(np.clip((1 - double[0] / max(single[0], 1e-9)) / _RIM_GAIN, 0, 1)) if np.isfinite(double[0]) else 0.0
    return (1 - rim) * single[1] + rim * double[1] if rim else single[1]


_PROFILE_MM = 7.0
_MOST_OFFSET_MM = 3.0
_RIM_GAIN = 0.2


def _fit_steps(at: FloatArray, mean: FloatArray, weight: FloatArray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Best fits with one step and with two: (weighted squared error, place of the outermost step)."""
    from scipy.special import ndtr

    best = [(np.inf, 0.0), (np.inf, 0.0)]
    for blur in (0.5, 0.8, 1.2, 1.8, 2.5):
        for border in np.arange(-_MOST_OFFSET_MM, _MOST_OFFSET_MM + 0.01, 0.1):
            outer = ndtr((border - at) / blur)
            for rim in (0.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0):
                columns = [np.ones_like(at), outer]
                if rim:
                    columns.append(ndtr((border - rim - at) / blur))
                matrix = np.stack(columns, axis=1) * weight[:, None]
                steps, _, rank, _ = np.linalg.lstsq(matrix, mean * weight, rcond=None)
                if rank < len(columns) or (rim and not 0.25 <= steps[1] / (steps[1] + steps[2] or 1.0) <= 0.75):
                    continue
                error = float(np.sum((matrix @ steps - mean * weight) ** 2))
                best[bool(rim)] = min(best[bool(rim)], (error, float(border)))
    return best[0], best[1]


def _spread(quiet: Field, distance: Field, radius_mm: float, step: float) -> float:
    """The noise left in ``quiet``: how values differ from those 3 mm away, most of them in the same tissue."""
    lag = max(2, round(_LAG_MM / step))
    near = (distance < 2 * radius_mm)[lag // 2 : distance.shape[0] - (lag - lag // 2)]
    differences = (quiet[lag:] - quiet[:-lag])[near]
    return float(1.4826 * np.median(np.abs(differences)) / np.sqrt(2)) if differences.size else 0.0


def _nearest_peaks(values: NDArray[np.float32], middle: float, noise: float) -> tuple[float | None, float | None]:
    """The tissues next to ``middle`` below and above: peaks of the histogram with at least 12 % of the values."""
    from scipy import ndimage

    gap = max(3.0 * noise, 1e-6)
    width = noise / 2
    low, high = np.percentile(values, (1, 99))
    edges = np.arange(low - 4 * noise, high + 4 * noise + width, width)
    counts = np.histogram(values, edges)[0].astype(np.float64)
    smooth = ndimage.gaussian_filter1d(counts, 2.0, mode="constant")
    centres = (edges[:-1] + edges[1:]) / 2
    is_peak = (smooth >= np.roll(smooth, 1)) & (smooth > np.roll(smooth, -1))
    peaks = [
        float(centre)
        for centre in centres[is_peak]
        if abs(centre - middle) > gap and np.mean(np.abs(values - centre) < 2.5 * noise) >= _TISSUE_SHARE
    ]
    below = max((p for p in peaks if p < middle), default=None)
    above = min((p for p in peaks if p > middle), default=None)
    return below, above
