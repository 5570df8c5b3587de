"""A session: one case being worked on, with its history, its file and its running jobs. No globals."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from surgitwin.commands import command_named
from surgitwin.commands.base import Command, Document, Work, build, perform
from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.jobs import Job, Runner
from surgitwin.scene.editor import Editor, Transaction
from surgitwin.scene.history import History
from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile, revert_edits


@dataclass(frozen=True, eq=False)
class Prepared:
    """A command whose work is done and whose change is not made yet, such as a preview."""

    command: Command
    work: Work[Any]
    outcome: Any


class Session:
    """One case. Several sessions can live in one process.

    Parameters
    ----------
    case_file
        An open case file, or ``None`` for a case that lives in memory until `save_as`.
    """

    def __init__(self, case_file: CaseFile | None = None) -> None:
        self._scene = Scene()
        self.history = History()
        self.editor = Editor(self._scene, self.history)
        self.runner = Runner()
        self.case_file = case_file
        self._told = False  # whether a document has carried what there is to know about how the case was opened
        if case_file is not None:
            self._scene.load(case_file.load_nodes())
            self.editor.journal = case_file

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Session:
        """Open a case file.

        Raises
        ------
        BadInput
            If it is missing, damaged, foreign, newer than this program, or held by another process.
        """
        case_file = CaseFile.open(path, read_only=read_only)
        try:
            return cls(case_file)
        except BaseException:
            case_file.close()
            raise

    @property
    def scene(self) -> Scene:
        return self._scene

    @property
    def case_path(self) -> Path | None:
        return self.case_file.path if self.case_file is not None else None

    @property
    def read_only(self) -> bool:
        return self.case_file is not None and self.case_file.read_only

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What there is to know about how the case was opened and kept."""
        return self.case_file.notices if self.case_file is not None else ()

    def transaction(self, name: str) -> AbstractContextManager[Transaction]:
        """The only write path; see `Editor.transaction`."""
        if self.read_only:
            raise BadInput(tr("This case is open for reading only. Save a copy to work on it."))
        return self.editor.transaction(name)

    def save_as(self, path: Path) -> None:
        """Write the case to a new file and keep every later change there.

        Raises
        ------
        BadInput
            If the file exists or its folder cannot be written to.
        """
        if self.case_file is not None:
            raise BadInput(tr("This case has a file already. Use “Save a copy”."))
        self.case_file = CaseFile.create(path, self._scene)
        self.editor.journal = self.case_file

    def run(self, command: str, /, **values: Any) -> Any:
        """Do what ``surgitwin COMMAND`` does, and return the document that it prints with ``--json``.

        Values are called as on the command line, or as the command's fields: ``as_="labelmap"`` or
        ``**{"as": "labelmap"}``, ``settings={...}``.

        Raises
        ------
        BadInput
            If there is no such command, or a value does not fit; nothing was changed.
        """
        kind = command_named(command)
        return kind.printed(self.perform(build(kind, values), Context()))

    def perform(self, command: Command, ctx: Context) -> Document:
        """Run a command here and now; an edit is on disk when this returns."""
        document = perform(command, self, ctx)
        self.log(command)
        if self.case_file is not None and command.changes_case:
            self.case_file.wait()
        if self.notices and not self._told:
            self._told = True
            document["warnings"] = [n.as_json() for n in self.notices] + document.get("warnings", [])
        return document

    def submit(
        self,
        command: Command,
        done: Callable[[Document], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        partial: Callable[[object], None] | None = None,
    ) -> Job:
        """Run a command as a job; its change is made on the main thread when the work is finished."""

        def finish(prepared: Prepared) -> None:
            document = self.commit(prepared)
            if done is not None:
                done(document)

        return self.prepare(command, finish, failed, partial)

    def prepare(
        self,
        command: Command,
        ready: Callable[[Prepared], None],
        failed: Callable[[BaseException], None] | None = None,
        partial: Callable[[object], None] | None = None,
    ) -> Job:
        """Compute what a command would do, as a job, and change nothing; `commit` makes the change."""
        work = command.start(self)

        def hand_over(outcome: Any) -> None:
            ready(Prepared(command, work, outcome))

        return self.runner.submit(command.title, work.compute, hand_over, failed, partial)

    def commit(self, prepared: Prepared) -> Document:
        """Make the change of a prepared command.

        Raises
        ------
        BadInput
            If the case changed since in a way that matters; nothing was changed.
        """
        document = prepared.work.commit(prepared.outcome)
        self.log(prepared.command)
        return document

    def log(self, command: Command) -> None:
        """Add a line to the case's log of who did what to which inputs; array data never goes there."""
        if self.case_file is None or self.read_only or not (command.changes_case or command.case == "create"):
            return
        values = command.model_dump(mode="json", exclude=set(command.unlogged))
        self.case_file.log(command.name, values, self._latest_inputs())

    def _latest_inputs(self) -> dict[str, str]:
        """Id and revision of everything that the results of the latest change were computed from."""
        entry = self.history.next_undo()
        changed = {edit.node_id for edit in entry.edits} if entry is not None else set()
        inputs: dict[str, str] = {}
        for node_id in changed:
            made = self._scene.node(node_id).made_from if node_id in self._scene else None
            if made is not None:
                inputs |= {str(key): str(revision) for key, revision in made.inputs.items()}
        return inputs

    def save_version(self, name: str) -> None:
        """Give the present state a name that `revert` can return to, also in later sessions.

        Raises
        ------
        BadInput
            If the case has no file, or a version has this name already.
        """
        self._file().save_version(name)

    def version_names(self) -> list[str]:
        """Names of the saved versions, the newest first."""
        return [version.name for version in reversed(self._file().versions())] if self.case_file else []

    def revert(self, name: str) -> None:
        """Bring a named version back, as one undoable step."""
        edits = revert_edits(self._scene, self._file().load_version(name))
        with self.transaction(tr("Revert to {name}").format(name=name)) as tx:
            tx.carry_out(edits)

    def save_copy(self, path: Path, *, for_sharing: bool = False, overwrite: bool = False) -> None:
        """Write the whole case to another file; for sharing, without identity and without the log. From any thread."""
        self._file().save_copy(path, strip_log=for_sharing, strip_identity=for_sharing, overwrite=overwrite)

    def _file(self) -> CaseFile:
        if self.case_file is None:
            raise BadInput(tr("This case has no file yet. Save it first."))
        return self.case_file

    def undo(self) -> str | None:
        """Undo the latest change; returns its name."""
        return self.editor.undo()

    def redo(self) -> str | None:
        """Do the latest undone change again; returns its name."""
        return self.editor.redo()

    def close(self) -> None:
        """Stop jobs, write everything, and leave exactly one file."""
        self.runner.close()
        self.history.clear()
        if self.case_file is not None:
            self.case_file.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
