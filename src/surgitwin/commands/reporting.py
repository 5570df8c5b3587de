"""The report: everything a case holds about its plans, with pictures, limits and where each number comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.look import freeze_layers, statistics_document
from surgitwin.commands.mesh_files import check_target
from surgitwin.commands.sharing import Pictures
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode, ReportSettingsNode, SegmentNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.exchange.report_content import ReportContent


def _written(content: ReportContent, out: Path, ctx: Context) -> None:
    from surgitwin.exchange.report import write_report

    write_report(content, out, ctx)


class MakeReport(Command):
    """Write the case's plans, volumes, pictures and provenance as a PDF."""

    name: ClassVar[str] = "report"
    title: ClassVar[str] = tr("Make the report")
    summary: ClassVar[str] = tr("Write a PDF with pictures, volumes, plans, limits and provenance.")
    case: ClassVar[CaseUse] = "read"

    out: Annotated[Path, Arg(tr("the PDF file to write"), positional=True)]
    plan: Annotated[tuple[str, ...], Arg(tr("plan to report on; without it all"))] = ()
    identity: Annotated[bool | None, Arg(tr("name the patient; without it as the report settings say"))] = None
    overwrite: Annotated[bool, Arg(tr("replace the file if it exists"))] = False

    def start(self, bench: Bench) -> Work[Any]:
        check_target(self.out, (".pdf",), self.overwrite)
        scene = bench.scene
        if len(scene) == 0:
            raise BadInput(tr("This case is empty. Add images first."))
        plans = [scene.resolve(name, PlanNode) for name in self.plan] or scene.of_type(PlanNode)
        layers = freeze_layers(bench, scene.of_type(SegmentNode))
        found = scene.of_type(ReportSettingsNode)
        settings = found[0] if found else ReportSettingsNode(name=tr("Report"))
        identity = settings.show_identity if self.identity is None else self.identity
        shown: list[PlanNode | None] = list(plans) or [None]
        pictures = Pictures(scene, (1000, 760), identity)
        still = Scene()
        still.load(list(scene))  # nodes never change, so this is the scene as it is now

        def compute(ctx: Context) -> Document:
            from surgitwin.commands.report_parts import plan_pictures, report_content
            from surgitwin.render.picture_process import PictureProcess

            statistics: dict[NodeId, Document] = {}
            for number, layer in enumerate(layers):
                part = ctx.part(0.4 * number / len(layers), 0.4 * (number + 1) / len(layers))
                statistics |= statistics_document(layer, part)
            pictures.complete(plans, ctx.part(0.4, 0.5))
            drawn = []
            with PictureProcess(ctx) as process:
                for number, plan in enumerate(shown):
                    ctx.progress(0.5 + 0.4 * number / len(shown), tr("Drawing"))
                    drawn.append(plan_pictures(still, plan, pictures, process))
            content = report_content(still, plans, statistics, drawn, settings, identity)
            ctx.part(0.9, 1.0).apart(_written, content, self.out)
            return {"files": [str(self.out)], "warnings": []}

        return Work(compute, lambda document: document)
