"""A simulator on many samples, in parts that any worker may take; how many there are does not change the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CaseNode, PlanNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surgitwin.batch.recipe import SampleWish
    from surgitwin.simulators.base import Inputs, Output, SimulatorParams
    from surgitwin.simulators.registry import AnySimulator

    Samples = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Drawable:
    """What samples of one case are drawn from.

    Attributes
    ----------
    point
        The outputs for the point values, with their titles and units.
    warnings
        The codes of what the simulator warns of.
    """

    simulator: str
    inputs: Inputs
    params: SimulatorParams
    point: tuple[Output, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Chunk:
    """A part of the samples: how many, and where its random numbers start."""

    drawable: Drawable
    count: int
    seed: int


def check_simulator(wish: SampleWish) -> None:
    """Refuse a simulator or settings that cannot be sampled.

    Raises
    ------
    BadInput
        The sentence says what would be right.
    """
    from surgitwin.simulators.registry import simulator_named

    simulator = simulator_named(wish.simulator)
    for name in ("samples", "seed"):
        if name in wish.settings:
            message = tr("The recipe's “samples”: “{name}” goes beside “settings”, not into it.")
            raise BadInput(message.format(name=name))
    simulator.parse(wish.settings)
    if not simulator.offers_samples:
        message = tr("The simulator “{name}” cannot draw its samples in parts. Put it into the steps: simulate.")
        raise BadInput(message.format(name=simulator.name))


def gather(wish: SampleWish, scene: Scene) -> Drawable:
    """What the samples of a case are drawn from, without anything that lives in the case's file.

    Raises
    ------
    BadInput
        If the case lacks what the simulator needs.
    """
    from surgitwin.commands.simulated_surfaces import with_surface
    from surgitwin.simulators.registry import simulator_named

    simulator = simulator_named(wish.simulator)
    params = simulator.parse({**wish.settings, "samples": 0})
    twin = scene if scene.of_type(CaseNode) else None
    inputs = with_surface(simulator.gather(twin, _plan(wish, simulator, twin), params), Context())
    if getattr(inputs, "measured", ()):
        raise BadInput(tr("Samples that learn from measured values cannot be drawn in parts. Leave those values out."))
    point = simulator.solve(inputs, params, Context())
    warnings = tuple(notice.code for notice in point.notices)
    return Drawable(wish.simulator, replace(inputs, nodes=()), params, tuple(point.outputs), warnings)


def _plan(wish: SampleWish, simulator: AnySimulator, scene: Scene | None) -> PlanNode | None:
    if wish.plan is None:
        if simulator.plan == "needed":
            raise BadInput(
                tr("“{title}” needs a plan: name it in the recipe's “samples”.").format(title=simulator.title)
            )
        return None
    if scene is None or simulator.plan == "no":
        raise BadInput(tr("“{title}” takes no plan here.").format(title=simulator.title))
    return scene.resolve(wish.plan, PlanNode)


def chunks_of(wish: SampleWish, drawable: Drawable) -> list[Chunk]:
    """The parts in which the samples are drawn, each with random numbers of its own (``SeedSequence.spawn``)."""
    import numpy as np

    counts = [min(wish.chunk, wish.samples - start) for start in range(0, wish.samples, wish.chunk)]
    seeds = np.random.SeedSequence(wish.seed).spawn(len(counts))
    return [
        Chunk(drawable, count, int.from_bytes(seed.generate_state(4).tobytes(), "little"))
        for count, seed in zip(counts, seeds, strict=True)
    ]


def draw_chunk(chunk: Chunk, ctx: Context) -> Samples | BadInput:
    """The outputs of one part, (n,) each, or why there are none."""
    from surgitwin.core.errors import SurgitwinError
    from surgitwin.simulators.registry import simulator_named

    drawable = chunk.drawable
    simulator = simulator_named(drawable.simulator)
    try:
        return simulator.sampled(drawable.inputs, drawable.params, chunk.count, chunk.seed, ctx)
    except SurgitwinError as error:
        return BadInput(str(error))


def joined(drawable: Drawable, parts: Sequence[Samples]) -> dict[str, Any]:
    """What all parts say together, as a document: median and 90 % interval of each output, and its point value."""
    import numpy as np

    from surgitwin.simulators.sampling import summarise

    document: dict[str, Any] = {}
    for output in drawable.point:
        values = [part[output.name] for part in parts if output.name in part]
        joint = np.concatenate(values) if values else None
        made = summarise(output.name, output.title, output.unit, output.point, joint)
        document[output.name] = made.as_json() | {"count": 0 if joint is None else len(joint)}
    return document
