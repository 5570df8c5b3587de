"""One number of a simulator against what it should be: an answer on paper, an earlier run, or a publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.simulators.base import Tag

Kind = Literal["analytic", "consistency", "regression", "published"]
"""An answer on paper; the program against itself written another way; an earlier run; what others measured."""
CheckVerdict = Literal["met", "not met", "known miss", "not assessed"]


@dataclass(frozen=True)
class Check:
    """A value, the span that it must lie in, and where that comes from.

    Attributes
    ----------
    value
        What the program gives now; None if it cannot be assessed, and `remark` says why.
    low, high
        The span, ends included; None is open.
    reference
        The value to reach; None where only a span is known.
    source, tag
        Where the reference comes from, and how that was checked.
    remark
        What a reader must know of it.
    known_miss
        The model is known to miss it: it is listed as not met, but is no fault of the program.
    decimals
        How many a page shows: as many as are the same on every machine.
    """

    quantity: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    kind: Kind
    source: str
    reference: float | None = None
    tag: Tag = "R"
    remark: str = ""
    known_miss: bool = False
    decimals: int = 2

    @property
    def verdict(self) -> CheckVerdict:
        if self.value is None:
            return "not assessed"
        # A value that is not a number lies in no span.
        above = self.low is None or self.value >= self.low
        if above and (self.high is None or self.value <= self.high) and self.value == self.value:
            return "met"
        return "known miss" if self.known_miss else "not met"

    @property
    def value_text(self) -> str:
        """The value as a page shows it: the same on every machine, and a mere rounding error as its bound."""
        if self.value is None:
            return "–"
        if self.is_bound and self.verdict == "met" and self.high is not None:
            return f"< {self.high:g}"
        return f"{self.value:.{self.decimals}f}" if not self.is_bound else f"{self.value:.1e}"

    @property
    def is_bound(self) -> bool:
        """True for an error, of which only its size counts."""
        return self.low is None and self.high is not None and self.reference is None

    @property
    def allowed_text(self) -> str:
        if self.low is not None and self.high is not None:
            if self.reference is not None and abs(self.low + self.high - 2 * self.reference) < 1e-9:
                return f"± {(self.high - self.low) / 2:.3g}"
            return tr("{low:g} to {high:g}").format(low=self.low, high=self.high)
        if self.high is not None:
            return tr("at most {high:g}").format(high=self.high)
        return tr("at least {low:g}").format(low=self.low) if self.low is not None else "–"

    def as_json(self) -> dict[str, Any]:
        """JSON types only; a value that is not a number is None, and its verdict says that it is not met."""
        finite = self.value is not None and abs(self.value) < float("inf")
        return {
            "quantity": self.quantity,
            "value": self.value if finite else None,
            "shown": self.value_text,
            "reference": self.reference,
            "low": self.low,
            "high": self.high,
            "allowed": self.allowed_text,
            "unit": self.unit,
            "verdict": self.verdict,
            "kind": self.kind,
            "source": self.source,
            "checked": self.tag,
            "remark": self.remark,
        }


def near(
    quantity: str,
    value: float,
    reference: float,
    deviation: float,
    unit: str,
    kind: Kind,
    source: str,
    *,
    tag: Tag = "R",
    decimals: int = 2,
) -> Check:
    """A value that must lie within ``deviation`` of its reference."""
    low, high = reference - deviation, reference + deviation
    return Check(quantity, value, low, high, unit, kind, source, reference, tag, decimals=decimals)


def error_below(quantity: str, error: float, bound: float, unit: str, kind: Kind, source: str) -> Check:
    """An error, which must not exceed ``bound``."""
    return Check(quantity, abs(error), None, bound, unit, kind, source)
