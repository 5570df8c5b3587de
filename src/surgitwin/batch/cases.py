"""Which cases a batch works on, and a recipe's commands as they are for one of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgitwin.batch.recipe import Recipe, Step
from surgitwin.commands.base import Command, build
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.exchange.names import safe_file_name

NO_CASE = "-"
_IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".zip", ".dcm")
_PATHS_AS_TEXT = {("plan", "surface")}  # fields that hold paths and are typed as text
_OUT = "out"


@dataclass(frozen=True)
class Case:
    """One case of a batch.

    Attributes
    ----------
    shown
        As it was given.
    path
        The case file, absolute; None for ``-``, which is no case.
    image
        What the case is made from; None if it exists.
    """

    shown: str
    path: Path | None
    image: Path | None = None

    @property
    def key(self) -> str:
        """What tells it apart from the others."""
        return str(self.path) if self.path is not None else NO_CASE

    @property
    def name(self) -> str:
        return self.path.stem if self.path is not None else "none"


@dataclass(frozen=True)
class Prepared:
    """A recipe for one case.

    Attributes
    ----------
    commands
        Checked, with absolute paths and without placeholders.
    inputs, outputs
        Files that the commands read and write, besides the case itself.
    replaced
        Those of the outputs that the recipe says it may replace.
    """

    commands: tuple[Command, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    replaced: frozenset[Path]


def collect_cases(recipe: Recipe, given: Sequence[Path], folder: Path | None) -> list[Case]:
    """The cases of a batch, in the order in which they were given.

    Parameters
    ----------
    folder
        Where cases that are made from images go.

    Raises
    ------
    BadInput
        If none is given, one is given twice, or two images would make the same case.
    """
    if not given:
        raise BadInput(tr("Name at least one case, or - for a recipe that needs none."))
    if not recipe.makes_cases:
        if folder is not None:
            raise BadInput(tr("--cases-in goes with a recipe whose first step is “new”."))
        cases = [_existing(recipe, path) for path in given]
    else:
        cases = [_made(path, _folder(folder)) for path in given]
    _refuse_twice(cases)
    return cases


def _existing(recipe: Recipe, path: Path) -> Case:
    if str(path) != NO_CASE:
        return Case(str(path), _absolute(path))
    if not recipe.needs_no_case:
        raise BadInput(tr("This recipe needs cases: - is for recipes that work on numbers alone."))
    return Case(NO_CASE, None)


def _folder(folder: Path | None) -> Path:
    if folder is None:
        raise BadInput(tr("This recipe makes cases from images: say with --cases-in FOLDER where they go."))
    if not folder.is_dir():
        raise BadInput(tr("There is no folder {path} for the cases. Make it first.").format(path=folder))
    return _absolute(folder)


def _made(image: Path, folder: Path) -> Case:
    name = _absolute(image).name
    suffix = next((known for known in _IMAGE_SUFFIXES if name.lower().endswith(known)), "")
    name = safe_file_name(name[: len(name) - len(suffix)], "case")
    return Case(str(image), folder / f"{name}.twin", _absolute(image))


def _refuse_twice(cases: Sequence[Case]) -> None:
    seen: dict[str, Case] = {}
    for case in cases:
        other = seen.setdefault(os.path.normcase(case.key).casefold(), case)
        if other is case or (case.image is None and other.key != case.key):
            continue
        if other.shown == case.shown or case.image is None:
            raise BadInput(tr("{path} is given twice.").format(path=case.shown))
        message = tr("{first} and {second} would both make the case {name}. Rename one, or do them in two folders.")
        raise BadInput(message.format(first=other.shown, second=case.shown, name=Path(case.key).name))


def _absolute(path: Path) -> Path:
    """Absolute and without ``..``, links left as they are."""
    return Path(os.path.normpath(path.absolute()))


def prepare(recipe: Recipe, case: Case) -> Prepared:
    """The recipe's commands for one case.

    Raises
    ------
    BadInput
        If a value does not fit with the case's name in it.
    """
    commands = tuple(_command(recipe, step, case) for step in recipe.steps)
    inputs: list[Path] = [case.image] if case.image is not None else []
    outputs: list[Path] = []
    replaced: set[Path] = set()
    for command in commands[1:] if case.image is not None else commands:
        for name in type(command).model_fields:
            for path in _paths(command, name):
                if name != _OUT:
                    inputs += [path] if path not in outputs else []
                    continue
                if path in outputs:
                    raise BadInput(tr("Two steps write {path}. Give each a file of its own.").format(path=path))
                outputs.append(path)
                # A command that cannot be told to replace a file does so unasked.
                if getattr(command, "overwrite", True):
                    replaced.add(path)
    return Prepared(tuple(map(_replacing, commands)), tuple(inputs), tuple(outputs), frozenset(replaced))


def _command(recipe: Recipe, step: Step, case: Case) -> Command:
    where = case.path.parent if case.path is not None else recipe.folder
    places = {"{case}": case.name, "{folder}": str(where), "{recipe}": str(recipe.folder)}
    places |= {"{image}": str(case.image.parent)} if case.image is not None else {}
    values = {name: _filled(value, places) for name, value in step.values.items()}
    if case.image is not None and step.number == 1:
        values["path"] = case.image
    try:
        command = build(step.command, values)
    except BadInput as error:
        raise BadInput(tr("Step {step}: {sentence}").format(step=step.title, sentence=error)) from None
    changes = {name: _resolved(command, name, recipe.folder) for name in step.command.model_fields}
    return command.model_copy(update={name: value for name, value in changes.items() if value is not None})


def _filled(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, str):
        for place, text in places.items():
            value = value.replace(place, text)
        return value
    if isinstance(value, dict):
        return {key: _filled(entry, places) for key, entry in value.items()}
    return [_filled(entry, places) for entry in value] if isinstance(value, list) else value


def _resolved(command: Command, name: str, folder: Path) -> Any:
    """The field's value with its paths made absolute; None if it holds no path."""
    value = getattr(command, name)
    if isinstance(value, Path):
        return _absolute(folder / value)
    if (command.name, name) in _PATHS_AS_TEXT and value:
        return tuple(str(_absolute(folder / text)) for text in value)
    return None


def _paths(command: Command, name: str) -> list[Path]:
    value = getattr(command, name)
    if isinstance(value, Path):
        return [value]
    return [Path(text) for text in value] if (command.name, name) in _PATHS_AS_TEXT else []


def _replacing(command: Command) -> Command:
    """The same command, free to replace what an attempt of this batch that died has left.

    `refuse_foreign_outputs` has seen before that no other file is there.
    """
    if _OUT in type(command).model_fields and "overwrite" in type(command).model_fields:
        return command.model_copy(update={"overwrite": True})
    return command


def refuse_shared_outputs(cases: Sequence[Case], prepared: Sequence[Prepared]) -> None:
    """Refuse a recipe that writes one file for several cases, or over a case.

    Raises
    ------
    BadInput
        The sentence names the file.
    """
    counts = Counter(path for one in prepared for path in set(one.outputs))
    shared = next((path for path, count in counts.items() if count > 1), None)
    if shared is not None:
        message = tr("Several cases would write {path}: put {{case}} or {{folder}} into its name.")
        raise BadInput(message.format(path=shared))
    own = next((case.path for case in cases if case.path in counts), None)
    if own is not None:
        raise BadInput(tr("The recipe would write over the case {path}. Choose another name.").format(path=own))


def refuse_foreign_outputs(prepared: Prepared, known: frozenset[str]) -> None:
    """Refuse to replace a file that neither the recipe allows to replace nor this batch has written.

    Parameters
    ----------
    known
        Paths of what earlier runs of the batch have written.

    Raises
    ------
    BadInput
        If there is such a file.
    """
    for path in prepared.outputs:
        if path.exists() and path not in prepared.replaced and str(path) not in known:
            message = tr("{path} exists already. Move it away, or give the step “overwrite”: true.")
            raise BadInput(message.format(path=path))
