"""Runs one command on the terminal and prints its answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from surgitwin.cli.progress import terminal_progress
from surgitwin.cli.streams import output_kept_clean, print_json
from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.commands.base import Command, Document
    from surgitwin.scene.editor import Transaction
    from surgitwin.scene.scene import Scene

NO_CASE = "-"


class NoCase:
    """The bench of commands that use no case: nothing is in it, and nothing can be kept in it."""

    @property
    def scene(self) -> Scene:
        from surgitwin.scene.scene import Scene

        return Scene()

    @property
    def case_path(self) -> Path | None:
        return None

    def transaction(self, name: str) -> AbstractContextManager[Transaction]:
        raise BadInput(tr("This case has no file yet. Save it first."))

    def save_copy(self, path: Path, *, for_sharing: bool = False, overwrite: bool = False) -> None:
        raise BadInput(tr("This case has no file yet. Save it first."))


def say(sentence: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(sentence + "\n")


def _settings(kind: type[Command], values: dict[str, Any]) -> dict[str, Any]:
    """Split ``k=v`` options into dictionaries."""
    for name, field in kind.model_fields.items():
        if get_origin(field.annotation) is dict and name in values:
            pairs: dict[str, str] = {}
            for text in values[name]:
                key, equals, value = str(text).partition("=")
                if not equals or not key.strip():
                    raise BadInput(tr("A setting is written k=v, not “{text}”.").format(text=text))
                if key.strip() in pairs:
                    raise BadInput(tr("The setting “{key}” is given twice.").format(key=key.strip()))
                pairs[key.strip()] = value.strip()
            values[name] = pairs
    return values


def run_command(kind: type[Command], case: Path | None, values: dict[str, Any], as_json: bool) -> int:
    """Run a command on the terminal, print what it answers, and return the exit status."""
    from surgitwin.commands.base import build

    command = build(kind, _settings(kind, values))
    with output_kept_clean(), terminal_progress(kind.title, quiet=as_json) as ctx:
        document, notices = _perform(command, case, ctx)
    _say_all(kind.name, kind.printed(document) if as_json else document, as_json)
    for notice in notices:
        say(notice.message)
    complaint = kind.complaint(document)
    if complaint:
        raise BadInput(complaint)
    return 0


def answer(name: str, title: str, work: Callable[[Context], Document], as_json: bool) -> int:
    """As `run_command`, for work that needs no command's class."""
    with output_kept_clean(), terminal_progress(title, quiet=as_json) as ctx:
        document = work(ctx)
        ctx.check()
    _say_all(name, document, as_json)
    return 0


def _say_all(name: str, document: Any, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    from surgitwin.cli.show_files import shown_plainly

    if not shown_plainly(name, document):
        from surgitwin.cli.show import show

        show(name, document)


def _perform(command: Command, case: Path | None, ctx: Context) -> tuple[Document, tuple[Notice, ...]]:
    """The command's document, and what only closing the case has shown."""
    if command.case == "none":
        from surgitwin.commands.base import perform

        return perform(command, NoCase(), ctx), ()
    from surgitwin.session import Session

    known: tuple[Notice, ...] = ()
    if command.caseless and str(case) == NO_CASE:
        with Session() as session:
            document = session.perform(command, ctx)
    elif command.case == "create":
        from surgitwin.storage.files import refuse_existing

        assert case is not None
        refuse_existing(case)  # before any long work
        with Session() as session:
            document = session.perform(command, ctx)
            session.save_as(case)
            session.log(command)
        document["case"] = str(case)
    else:
        assert case is not None
        with Session.open(case, read_only=not command.changes_case) as session:
            document = session.perform(command, ctx)
            known = session.notices
    return document, tuple(notice for notice in session.notices if notice not in known)
