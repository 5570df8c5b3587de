"""Hold the simulators against answers on paper, earlier runs and publications, and keep the page that says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.simulators.checks import Kind

BEGIN, END = "<!-- surgitwin validate: begin -->", "<!-- surgitwin validate: end -->"
NAMED = 3

KIND_TITLES: Mapping[Kind, str] = {
    "analytic": tr("Answers on paper"),
    "consistency": tr("The program against itself"),
    "regression": tr("Earlier runs"),
    "published": tr("Publications"),
}
VERDICT_TEXTS = {
    "met": tr("met"),
    "not met": tr("NOT MET"),
    "known miss": tr("not met (known)"),
    "not assessed": tr("not assessed"),
}


class ValidateSimulators(Command):
    """Compute every number that the simulators are held against, and fail where one is not met."""

    name: ClassVar[str] = "validate"
    title: ClassVar[str] = tr("Check the simulators")
    summary: ClassVar[str] = tr("Hold the simulators against answers on paper, earlier runs and publications.")
    case: ClassVar[CaseUse] = "none"

    simulators: Annotated[tuple[str, ...], Arg(tr("which; all if none is named"), positional=True)] = ()
    page: Annotated[Path | None, Arg(tr("a Markdown page whose table, between its two markers, is written anew"))] = (
        None
    )

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.simulators.registry import simulator_named, simulator_names

        names = list(dict.fromkeys(self.simulators)) or simulator_names()
        found = [simulator_named(name) for name in names]
        page = self.page
        if page is not None:
            _parts(page)

        def compute(ctx: Context) -> Document:
            return document_of([ctx.apart(checked, simulator.name) for simulator in found])

        def commit(document: Document) -> Document:
            if page is not None:
                from surgitwin.exchange.atomic import write_atomically

                before, after = _parts(page)
                text = f"{before}{BEGIN}\n{markdown(document)}{END}{after}"
                write_atomically(page, lambda part: _write(part, text))
            return document

        return Work(compute, commit)

    @classmethod
    def complaint(cls, document: Document) -> str:
        failed = [f"{one['name']}: {check['quantity']}" for one in document["simulators"] for check in _failed(one)]
        if not failed:
            return ""
        more = tr(" and {count} more").format(count=len(failed) - NAMED) if len(failed) > NAMED else ""
        message = tr("Not met ({count}): {names}{more}. Do not rely on these simulators before that is understood.")
        return message.format(count=len(failed), names="; ".join(failed[:NAMED]), more=more)


def checked(name: str, *, ctx: Context) -> Document:
    """What one simulator is held against; for `Context.apart`."""
    from surgitwin.simulators.registry import simulator_named

    simulator = simulator_named(name)
    ctx.progress(0.0, simulator.title)
    checks = [check.as_json() for check in simulator.checks()]
    return {"name": simulator.name, "title": simulator.title, "version": simulator.version, "checks": checks}


def document_of(simulators: list[Document]) -> Document:
    """What the command prints."""
    verdicts = [check["verdict"] for one in simulators for check in one["checks"]]
    counts = {verdict.replace(" ", "_"): verdicts.count(verdict) for verdict in VERDICT_TEXTS}
    return {"ok": counts["not_met"] == 0, **counts, "simulators": simulators}


def markdown(document: Document) -> str:
    """The table as a page holds it: rounded, so that it is the same on other machines."""
    lines: list[str] = []
    for one in document["simulators"]:
        lines += ["", f"## {one['title']}", "", summary_of(one)]
        for kind, title in KIND_TITLES.items():
            rows = [_row(check) for check in one["checks"] if check["kind"] == kind]
            if rows:
                heading = (tr("what"), tr("value"), tr("reference"), tr("allowed"), "", tr("verdict"), tr("source"))
                lines += ["", f"### {title}", "", _line(heading), "|---|---|---|---|---|---|---|", *map(_line, rows)]
    return "\n".join([*lines[1:], ""])


def summary_of(one: Document) -> str:
    """How many checks of a simulator came out how."""
    if not one["checks"]:
        return tr("Nothing is held against anything here yet.")
    verdicts = [check["verdict"] for check in one["checks"]]
    counted = [f"{verdicts.count(verdict)} {text}" for verdict, text in VERDICT_TEXTS.items() if verdict in verdicts]
    text = tr("{count} checks: {verdicts}.")
    return text.format(count=len(verdicts), verdicts=", ".join(counted))


def reference_text(check: Document) -> str:
    reference = check["reference"]
    return "" if reference is None else f"{reference:.6g}"


def source_text(check: Document) -> str:
    """Source, how it was checked, and what to know of it."""
    recalled = tr("recalled, not checked") if check["checked"] == "M" else ""
    return "; ".join(part for part in (check["source"], recalled, check["remark"]) if part)


def _row(check: Document) -> tuple[str, ...]:
    verdict = VERDICT_TEXTS[check["verdict"]]
    reference, source = reference_text(check), source_text(check)
    return (check["quantity"], check["shown"], reference, check["allowed"], check["unit"], verdict, source)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _failed(one: Document) -> list[Document]:
    return [check for check in one["checks"] if check["verdict"] == "not met"]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _parts(page: Path) -> tuple[str, str]:
    """What stands before and after the table of a page.

    Raises
    ------
    BadInput
        If there is no such page, or it lacks the markers.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(tr("{path} cannot be read: {why}.").format(path=page, why=error)) from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = tr("{path} has no place for the table: it needs the lines “{begin}” and “{end}”.")
        raise BadInput(message.format(path=page, begin=BEGIN, end=END))
    return before, after
