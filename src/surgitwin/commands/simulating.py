"""Run a simulator on the twin, or on numbers alone, and keep what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from surgitwin import __version__
from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CaseNode, Node, PlanNode, Provenance, SimulationNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.simulators.base import Inputs, Result, SimulatorParams
    from surgitwin.simulators.registry import AnySimulator


class Simulate(Command):
    """Run a simulator; the result stays with its plan and is replaced by the next one."""

    name: ClassVar[str] = "simulate"
    title: ClassVar[str] = tr("Simulate")
    summary: ClassVar[str] = tr("Run a simulator on the twin: portal-pressure and others. CASE may be - (no case).")
    caseless: ClassVar[bool] = True

    simulator: Annotated[str, Arg(tr("which: portal-pressure ..."), positional=True)] = Field(min_length=1)
    plan: Annotated[str | None, Arg(tr("the plan to simulate"))] = None
    settings: Annotated[
        dict[str, Any], Arg(tr("a parameter, KEY=NUMBER, KEY=MEAN±SD or KEY=LOW..HIGH"), option="set")
    ] = Field(default_factory=dict)

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.simulators.registry import simulator_named

        simulator = simulator_named(self.simulator)
        params = simulator.parse(self.settings)
        scene = scene_of(bench)
        plan = self._plan(simulator, scene)
        inputs = simulator.gather(scene, plan, params)
        settings = {key: _plain(value) for key, value in self.settings.items()}

        def compute(ctx: Context) -> Result:
            if simulator.light:
                return simulator.solve(inputs, params, ctx)
            # The nodes say what the result depends on; they stay here, and arrays of the case file cannot travel.
            return ctx.apart(solved, simulator.name, replace(inputs, nodes=()), params)

        def commit(result: Result) -> Document:
            made_from = _made_from(bench, simulator, inputs, settings)
            document = result_document(simulator, plan, inputs, result, made_from)
            if scene is None:
                return document
            return _keep(bench, simulator, plan, settings, document, made_from)

        return Work(compute, commit)

    def _plan(self, simulator: AnySimulator, scene: Scene | None) -> PlanNode | None:
        if self.plan is None:
            if simulator.plan == "needed":
                raise BadInput(tr("“{title}” needs a plan: name it with --plan.").format(title=simulator.title))
            return None
        if scene is None:
            raise BadInput(tr("There is no case (-), so there is no plan “{name}”.").format(name=self.plan))
        if simulator.plan == "no":
            raise BadInput(tr("“{title}” takes no plan.").format(title=simulator.title))
        return scene.resolve(self.plan, PlanNode)


def scene_of(bench: Bench) -> Scene | None:
    """The scene, or None where there is no case."""
    return bench.scene if bench.scene.of_type(CaseNode) else None


def solved(name: str, inputs: Inputs, params: SimulatorParams, *, ctx: Context) -> Result:
    """What the simulator of this name finds; for `Context.apart`, in whose process it is found by name."""
    from surgitwin.commands.simulated_surfaces import with_surface
    from surgitwin.simulators.registry import simulator_named

    return simulator_named(name).solve(with_surface(inputs, ctx.part(0.0, 0.1)), params, ctx.part(0.1, 1.0))


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _made_from(bench: Bench, simulator: AnySimulator, inputs: Inputs, settings: Mapping[str, Any]) -> Provenance:
    tool = f"simulate {simulator.name} {simulator.version}"
    return provenance(bench, tool, list(inputs.nodes), automatic=True, **settings)


def result_document(
    simulator: AnySimulator, plan: PlanNode | None, inputs: Inputs, result: Result, made_from: Provenance
) -> Document:
    """What the simulate command prints."""
    return {
        "simulator": simulator.name,
        "title": simulator.title,
        "plan": plan.name if plan is not None else None,
        "inputs": {name: known.as_json() for name, known in inputs.quantities.items()},
        "outputs": {output.name: output.as_json() for output in result.outputs},
        "main": list(result.main),
        "drivers": [driver.as_json() for driver in result.drivers],
        "thresholds": [dict(entry) for entry in result.thresholds],
        "details": dict(result.details),
        "warnings": [notice.as_json() for notice in result.notices],
        "provenance": {
            "tool": made_from.tool,
            "program": f"surgitwin {__version__}",
            "made_at": made_from.made_at,
            "settings": dict(made_from.parameters),
            "inputs": {str(key): str(revision) for key, revision in made_from.inputs.items()},
            "references": list(simulator.references),
        },
    }


def _keep(
    bench: Bench,
    simulator: AnySimulator,
    plan: PlanNode | None,
    settings: dict[str, Any],
    document: Document,
    made_from: Provenance,
) -> Document:
    """Keep the result in the scene as one undoable step."""
    scene = bench.scene
    parent: Node = scene.case
    if plan is not None:
        if plan.id not in scene or scene.node(plan.id).revision != plan.revision:
            raise BadInput(tr("The plan was changed meanwhile. Nothing was kept; please simulate again."))
        parent = scene.node(plan.id)
    name = f"{simulator.title}: {plan.name}" if plan is not None else simulator.title
    node = SimulationNode(
        name=name,
        parent=parent.id,
        simulator=simulator.name,
        plan=plan.id if plan is not None else None,
        settings=settings,
        document=document,
        provenance=made_from,
    )
    old = find_simulation(scene, simulator.name, plan)
    with bench.transaction(tr("Simulate: {name}").format(name=name)) as tx:
        tx.carry_out(simulator.commit(node, old))
    kept = scene.expect(old.id if old is not None else node.id, SimulationNode)
    return {"node": describe(kept), **document}


def find_simulation(scene: Scene, simulator: str, plan: PlanNode | None) -> SimulationNode | None:
    """The kept result of a simulator for a plan, or for none."""
    wanted = plan.id if plan is not None else None
    kept = [one for one in scene.of_type(SimulationNode) if one.simulator == simulator and one.plan == wanted]
    return kept[0] if kept else None
