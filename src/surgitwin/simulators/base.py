"""What a simulator is: typed parameters with their uncertainty, what it takes from the twin, and what its result tells.

A simulator is four things: `Simulator.Params`, `Simulator.gather`, `Simulator.solve` and `Simulator.commit`. The
command line, the panel, the report and batches are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.edits import AddNode, Edit, SetField
from surgitwin.scene.nodes import Node, PlanNode, SimulationNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.spread import Spread, exactly, parse_spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surgitwin.simulators.checks import Check

    FloatArray = NDArray[np.float64]

Tag = Literal["R", "M", "D"]
"""How a number was checked: R, read in its source; M, recalled and not checked against the paper; D, our own choice."""
Origin = Literal["given", "twin", "prior", "derived"]
PlanUse = Literal["no", "optional", "needed"]

TAG_TEXTS: Mapping[Tag, str] = {
    "R": "",
    "M": tr("recalled, not checked against the paper"),
    "D": tr("our own choice, no publication behind it"),
}
ORIGIN_TEXTS: Mapping[Origin, str] = {
    "given": tr("given"),
    "twin": tr("from the twin"),
    "prior": tr("assumed"),
    "derived": tr("worked out"),
}

Uncertain = Annotated[Spread | None, BeforeValidator(parse_spread)]
"""A parameter with its uncertainty: a number is certain, ``MEAN±SD`` and ``LOW..HIGH`` are spread, None is assumed."""


@dataclass(frozen=True)
class NamesSegment:
    """Marks a text parameter that names a segment of the case: a window offers those that there are."""


SegmentText = Annotated[str, NamesSegment()]
"""The name or id of a segment, or nothing."""


class NoConvergence(SurgitwinError):
    """The equations have no solution that could be found; never a number instead."""


@dataclass(frozen=True)
class Quantity:
    """Marks an `Uncertain` parameter: what it is, in what unit, and what is taken when nobody gives it.

    Attributes
    ----------
    low, high
        The valid range.
    prior
        What is assumed of a value that was not measured; None if it comes from the twin or from other values.
    default
        The point value of the prior; its centre if None.
    source, tag
        Where the prior comes from, and how that was checked.
    relative_to
        The prior is a share of the parameter of this name.
    group
        Under which heading a form shows it; see `SimulatorParams.headings`.
    """

    title: str
    unit: str
    low: float
    high: float
    prior: Spread | None = None
    default: float | None = None
    source: str = ""
    tag: Tag = "D"
    relative_to: str = ""
    group: str = ""


@dataclass(frozen=True)
class Known:
    """A quantity that goes into a simulation.

    Attributes
    ----------
    spread, point
        What is known of it, and the value that the point result is computed with.
    origin, source, tag
        Where it comes from, in words, and how that was checked.
    relative_to, whole
        ``spread`` and ``point`` are shares of the quantity of this name, whose point value is ``whole``.
    """

    name: str
    title: str
    unit: str
    spread: Spread
    low: float
    high: float
    origin: Origin
    point: float
    source: str = ""
    tag: Tag = "R"
    relative_to: str = ""
    whole: float = 1.0

    def as_json(self) -> dict[str, Any]:
        low, high = self.spread.interval(self.low / self.whole, self.high / self.whole)
        share = f" × {self.relative_to}" if self.relative_to else ""
        return {
            "title": self.title,
            "value": self.point * self.whole,
            "low": low * self.whole,
            "high": high * self.whole,
            "unit": self.unit,
            "spread": self.spread.text() + share,
            "relative_to": self.relative_to or None,
            "valid_range": [self.low, self.high],
            "origin": self.origin,
            "source": self.source,
            "checked": self.tag,
        }


class SimulatorParams(BaseModel):
    """Parameters of a simulator; unknown names and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    # The order of the headings in a form; the first stands open.
    headings: ClassVar[tuple[str, ...]] = ()

    samples: int = Field(
        default=4000,
        ge=0,
        le=1_000_000,
        description=tr("how many samples the interval is made from; 0 gives the point value only"),
    )
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description=tr("start of the random numbers"))

    @classmethod
    def quantities(cls) -> dict[str, Quantity]:
        """The parameters that carry an uncertainty, by name."""
        found = (
            (name, [m for m in info.metadata if isinstance(m, Quantity)]) for name, info in cls.model_fields.items()
        )
        return {name: marks[0] for name, marks in found if marks}

    @classmethod
    def references(cls) -> dict[str, bool]:
        """The parameters that name a segment; as `segmentation.methods.MethodParams.references`, one segment each."""
        marked = cls.model_fields.items()
        return {name: False for name, info in marked if any(isinstance(m, NamesSegment) for m in info.metadata)}

    def known(self, **from_twin: Known) -> dict[str, Known]:
        """Every quantity that is known: what was given, else what the twin says, else its prior."""
        found: dict[str, Known] = {}
        for name, mark in self.quantities().items():
            given: Spread | None = getattr(self, name)
            if given is not None:
                found[name] = _known(name, mark, given, "given", given.centre)
            elif name in from_twin:
                found[name] = from_twin[name]
            elif mark.prior is not None:
                point = mark.prior.centre if mark.default is None else mark.default
                found[name] = _known(name, mark, mark.prior, "prior", point)
        for name, one in found.items():
            if one.relative_to:
                found[name] = replace(one, whole=found[one.relative_to].point)
        return found


def _known(name: str, mark: Quantity, spread: Spread, origin: Origin, point: float) -> Known:
    assumed = origin == "prior"
    return Known(
        name,
        mark.title,
        mark.unit,
        spread,
        mark.low,
        mark.high,
        origin,
        point,
        mark.source if assumed else "",
        mark.tag if assumed else "R",
        mark.relative_to if assumed else "",
    )


def twin_value(params: type[SimulatorParams], name: str, spread: Spread | float, source: str, tag: Tag = "R") -> Known:
    """A quantity that the twin knows."""
    mark = params.quantities()[name]
    value = spread if isinstance(spread, Spread) else exactly(spread)
    return Known(name, mark.title, mark.unit, value, mark.low, mark.high, "twin", value.centre, source, tag)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a simulator works on, as no later edit can change it.

    Attributes
    ----------
    quantities
        Everything with an uncertainty, by name.
    nodes
        What was read of the scene: the result turns stale with it.
    """

    quantities: Mapping[str, Known] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Output:
    """One number of a result.

    Attributes
    ----------
    value, low, high
        Median and 90 % interval; without samples the point value and None.
    point
        The result for the point values of all inputs.
    """

    name: str
    title: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    point: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "point": self.point,
        }


@dataclass(frozen=True)
class Driver:
    """How much of an output's uncertainty one input makes.

    Attributes
    ----------
    share_percent
        The squared rank correlation: the share of the output's spread that goes with this input.
    rises
        Whether the output rises with the input.
    """

    output: str
    input: str
    title: str
    share_percent: float
    rises: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "output": self.output,
            "input": self.input,
            "title": self.title,
            "share_percent": self.share_percent,
            "direction": "+" if self.rises else "-",
        }


@dataclass(frozen=True, eq=False)
class Result:
    """What a simulator found.

    Attributes
    ----------
    main
        The outputs that are shown large, by name; the first decides.
    details
        What else there is to show, JSON types only, keys with units.
    """

    outputs: Sequence[Output]
    main: Sequence[str]
    drivers: Sequence[Driver] = ()
    thresholds: Sequence[Mapping[str, Any]] = ()
    notices: Sequence[Notice] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


P = TypeVar("P", bound=SimulatorParams)
I = TypeVar("I", bound=Inputs)  # noqa: E741


class Simulator(Generic[P, I]):
    """Computes a result from the twin.

    Attributes
    ----------
    name, title, summary
        Its word on the command line, its words in a menu, and what it is for.
    version
        Goes into the provenance: raise it when results change.
    references
        Where the equations come from.
    Params
        The typed parameters.
    plan
        Whether it needs a plan.
    light
        It is over in a blink, or does not keep Python's lock: it needs no process of its own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    version: ClassVar[str] = "1"
    references: ClassVar[tuple[str, ...]] = ()
    Params: type[P]
    plan: ClassVar[PlanUse] = "no"
    light: ClassVar[bool] = False

    def parse(self, settings: Mapping[str, Any]) -> P:
        """Typed parameters from names and values (text is converted).

        Raises
        ------
        BadInput
            One sentence that names the setting, its value and what it may be.
        """
        known = self.Params.model_fields
        unknown = sorted(set(settings) - set(known))
        if unknown:
            message = tr("The simulator “{simulator}” has no setting “{name}”; it has: {known}.")
            raise BadInput(message.format(simulator=self.name, name=unknown[0], known=", ".join(known)))
        try:
            params = self.Params.model_validate(dict(settings))
        except ValidationError as error:
            raise BadInput(_sentence(error)) from None
        for name, mark in self.Params.quantities().items():
            spread: Spread | None = getattr(params, name)
            if spread is not None:
                _check_range(name, mark, spread)
        return params

    def gather(self, scene: Scene | None, plan: PlanNode | None, params: P) -> I:
        """What `solve` needs of the twin, on the main thread; no long work, no copies.

        Parameters
        ----------
        scene
            None where there is no case, as with ``surgitwin simulate -``.
        plan
            The operation to simulate; its numbers are current.

        Raises
        ------
        BadInput
            If the twin lacks something, or values contradict each other; the sentence says what would be right.
        """
        raise NotImplementedError

    def solve(self, inputs: I, params: P, ctx: Context) -> Result:
        """The result; on any thread.

        Raises
        ------
        BadInput, NoConvergence
            If the inputs contradict each other, or no solution was found.
        """
        raise NotImplementedError

    def sampled(self, inputs: I, params: P, count: int, seed: int, ctx: Context) -> Mapping[str, FloatArray]:
        """``count`` samples of every output, fewer where some contradict themselves; from this seed alone.

        Batches draw the samples of one case in parts with it. A simulator without it takes part in batches as a step.

        Raises
        ------
        BadInput, NoConvergence
            As `solve`.
        """
        raise NotImplementedError

    @property
    def offers_samples(self) -> bool:
        """Whether it has a `sampled` of its own."""
        return type(self).sampled is not Simulator.sampled

    def commit(self, node: SimulationNode, old: SimulationNode | None) -> list[Edit]:
        """The edits that keep a result: as it stands, one node that replaces the one of the same plan."""
        if old is None:
            return [AddNode(node)]
        fields = ("name", "settings", "document", "provenance")
        return [SetField(old.id, name, getattr(old, name), getattr(node, name)) for name in fields]

    @classmethod
    def checks(cls) -> Sequence[Check]:
        """Its numbers against answers on paper and publications, computed now."""
        return ()


def _check_range(name: str, mark: Quantity, spread: Spread) -> None:
    for value in spread.ends:
        if not mark.low <= value <= mark.high:
            message = tr("{name} ({title}) cannot be {value:g} {unit}: give {low:g} to {high:g} {unit}.")
            raise BadInput(
                message.format(
                    name=name, title=mark.title, value=value, unit=mark.unit or "", low=mark.low, high=mark.high
                ).replace("  ", " ")
            )


def _sentence(error: ValidationError) -> str:
    """The first complaint of pydantic as one sentence."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else tr("a setting")
    if first["type"] == "missing":
        return tr("The setting “{name}” is missing.").format(name=name)
    reason = str(first["msg"]).removeprefix("Value error, ").replace("Input should", "it should").rstrip(".")
    reason = reason[:1].lower() + reason[1:]
    message = tr("The setting “{name}” cannot be “{value}”: {reason}.")
    return message.format(name=name, value=str(first["input"])[:80], reason=reason)
