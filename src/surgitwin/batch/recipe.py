"""A recipe: the commands that are done to every case, and what of their documents lands in the table."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surgitwin.commands import command_named
from surgitwin.commands.base import Command, build
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

PLACES = ("case", "folder", "recipe", "image")
"""What texts of a recipe may hold in braces: the case's name, its folder, the recipe's, and that of its image."""

_KEYS = {"name", "steps", "columns", "samples"}
_SAMPLE_KEYS = {"simulator", "settings", "samples", "chunk", "seed", "plan"}
_PLACE = re.compile(r"\{(\w+)\}")
MOST_SAMPLES = 100_000_000


@dataclass(frozen=True)
class Step:
    """One command of a recipe.

    Attributes
    ----------
    number
        From 1.
    label
        What its numbers are called in the table: its ``id``, else its number.
    values
        The command's values, with their placeholders.
    """

    number: int
    label: str
    command: type[Command]
    values: Mapping[str, Any]

    @property
    def title(self) -> str:
        return f"{self.number} ({self.command.name})"


@dataclass(frozen=True)
class SampleWish:
    """A simulator to run on many samples of each case.

    Attributes
    ----------
    chunk
        How many samples one task draws. The result depends on it, and not on how many workers there are.
    """

    simulator: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 100_000
    chunk: int = 10_000
    seed: int = 1
    plan: str | None = None


@dataclass(frozen=True)
class Recipe:
    """What is done to every case.

    Attributes
    ----------
    folder
        Where its relative paths start.
    columns
        Where the value of each column is: the place of the step, then the way into its document. None: all numbers.
    token
        A hash of its content.
    """

    name: str
    folder: Path
    steps: tuple[Step, ...]
    columns: Mapping[str, tuple[str, ...]] | None
    samples: SampleWish | None
    token: str

    @property
    def makes_cases(self) -> bool:
        """Its cases are images: the first step makes a case of each."""
        return bool(self.steps) and self.steps[0].command.case == "create"

    @property
    def edits(self) -> bool:
        """It changes the cases that it is given."""
        return any(step.command.case == "create" or step.command.changes_case for step in self.steps)

    @property
    def needs_no_case(self) -> bool:
        return all(step.command.case == "none" or step.command.caseless for step in self.steps)


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe, JSON or TOML.

    Raises
    ------
    BadInput
        If it cannot be read, or a step does not fit its command; the sentence names the step by its number.
    """
    content = _content(path)
    _refuse_unknown(content, _KEYS, tr("The recipe"))
    samples = _samples(content.get("samples"))
    steps = _steps(content.get("steps", []))
    if not steps and samples is None:
        raise BadInput(tr("The recipe {file} has no steps. Give “steps”, a list of commands.").format(file=path.name))
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    name = content.get("name", path.stem)
    if not isinstance(name, str):
        raise BadInput(tr("The recipe's “name” must be a text, not {given}.").format(given=name))
    columns = _columns(content.get("columns"), steps, samples is not None)
    folder = path.absolute().parent
    return Recipe(name, folder, steps, columns, samples, hashlib.sha256(text.encode("utf-8")).hexdigest())


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(tr("There is no recipe {path}.").format(path=path))
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:  # both readers' errors, and text that is not UTF-8, are ValueErrors
        message = tr("The recipe {file} cannot be read: {reason}. Write it as JSON, or as TOML in a .toml file.")
        raise BadInput(message.format(file=path.name, reason=str(error).rstrip("."))) from None
    if not isinstance(content, dict):
        raise BadInput(tr("The recipe {file} must be one object with “steps”.").format(file=path.name))
    return content


def _refuse_unknown(content: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        message = tr("{what} has no entry “{name}”; there are: {known}.")
        raise BadInput(message.format(what=what, name=unknown[0], known=", ".join(sorted(known))))


def _steps(given: Any) -> tuple[Step, ...]:
    if not isinstance(given, list):
        raise BadInput(tr("The recipe's “steps” must be a list of commands."))
    made = bool(given) and isinstance(given[0], dict) and given[0].get("command") == "new"
    steps = tuple(_step(number, entry, made) for number, entry in enumerate(given, start=1))
    labels: set[str] = set()
    for step in steps:
        if step.label in labels:
            raise BadInput(
                tr("Step {step}: another step has the id “{id}” too.").format(step=step.title, id=step.label)
            )
        labels.add(step.label)
    return steps


def _step(number: int, entry: Any, made: bool) -> Step:
    if not isinstance(entry, dict) or not isinstance(entry.get("command"), str):
        message = tr('Step {number} must be an object with a “command”, such as {{"command": "stats"}}.')
        raise BadInput(message.format(number=number))
    values = {key: value for key, value in entry.items() if key not in ("command", "id")}
    label = entry.get("id", str(number))
    where = f"{number} ({entry['command']})"
    try:
        if not isinstance(label, str) or (not re.fullmatch(r"[^\W\d][\w-]*", label) and label != str(number)):
            raise BadInput(tr("the id “{id}” must be a word that begins with a letter.").format(id=label))
        command = command_named(entry["command"])
        _check_places(values, made)
        step = Step(number, label, command, values)
        _check(step)
    except BadInput as error:
        raise BadInput(tr("Step {step}: {sentence}").format(step=where, sentence=error)) from None
    return step


def _check(step: Step) -> None:
    """Build the command once, so that a value that does not fit is found before anything runs."""
    if step.command.case == "create":
        if step.number > 1:
            raise BadInput(tr("“{name}” can only be the first step.").format(name=step.command.name))
        if "path" in step.values:
            raise BadInput(tr("leave “path” out: it is each of the images that are given on the command line."))
        build(step.command, {**step.values, "path": "image"})
    else:
        build(step.command, dict(step.values))


def _check_places(value: Any, made: bool) -> None:
    places = PLACES if made else PLACES[:-1]
    for text in _texts(value):
        for place in _PLACE.findall(text):
            if place not in places:
                message = tr("“{{{place}}}” stands for nothing; there are {known}.")
                known = ", ".join(f"{{{name}}}" for name in places)
                raise BadInput(message.format(place=place, known=known))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)


def _samples(given: Any) -> SampleWish | None:
    if given is None:
        return None
    what = tr("The recipe's “samples”")
    if not isinstance(given, dict) or not isinstance(given.get("simulator"), str):
        raise BadInput(tr("{what} must be an object with a “simulator”.").format(what=what))
    _refuse_unknown(given, _SAMPLE_KEYS, what)
    for name, least, most in (("samples", 1, MOST_SAMPLES), ("chunk", 1, 1_000_000), ("seed", 0, 2**63 - 1)):
        value = given.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            message = tr("{what}: “{name}” cannot be {value}; give a whole number from {least} to {most}.")
            raise BadInput(message.format(what=what, name=name, value=value, least=least, most=most))
    if not isinstance(given.get("settings", {}), dict):
        raise BadInput(tr("{what}: “settings” must be an object.").format(what=what))
    if not isinstance(given.get("plan", ""), str):
        raise BadInput(tr("{what}: “plan” must be the name of a plan.").format(what=what))
    from surgitwin.batch.samples import check_simulator

    wish = SampleWish(**given)
    check_simulator(wish)
    return wish


def _columns(given: Any, steps: tuple[Step, ...], sampled: bool) -> dict[str, tuple[str, ...]] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not given:
        raise BadInput(tr("The recipe's “columns” must name at least one column and say where its value is."))
    return {name: _column(str(name), way, steps, sampled) for name, way in given.items()}


def _column(name: str, way: Any, steps: tuple[Step, ...], sampled: bool) -> tuple[str, ...]:
    """The label of the step and the way into its document; a way may be written with dots, or as a list."""
    from surgitwin.batch.table import FIXED

    if name in FIXED:
        message = tr("A column cannot be called “{name}”: the table has one of that name already.")
        raise BadInput(message.format(name=name))
    parts = [str(part) for part in way] if isinstance(way, list) else str(way).split(".")
    if len(parts) < 2 or not all(parts):
        message = tr("The column “{name}” must say STEP.KEY, such as plan.flr_percent, not “{way}”.")
        raise BadInput(message.format(name=name, way=way))
    return (_label(name, parts[0], steps, sampled), *parts[1:])


def _label(column: str, word: str, steps: tuple[Step, ...], sampled: bool) -> str:
    """The label of the step that ``word`` means: its id, its number, or its command if that is there once."""
    if word == "samples" and sampled:
        return word
    meant = [step for step in steps if step.label == word] or [step for step in steps if str(step.number) == word]
    meant = meant or [step for step in steps if step.command.name == word]
    if len(meant) == 1:
        return meant[0].label
    if meant:
        message = tr("The column “{name}”: several steps are “{word}”. Give one an id, or write its number.")
    else:
        message = tr("The column “{name}”: there is no step “{word}”.")
    raise BadInput(message.format(name=column, word=word))
