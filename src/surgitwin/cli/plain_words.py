"""Reads command lines in which nothing is unusual, without the parser for all of them, whose import takes long.

Where anything is in doubt the parser decides: then nothing is read here, and every refusal, every help text and every
other way to write an option stays the parser's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from surgitwin.commands.base import Command

_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_WHOLE = re.compile(r"[+-]?\d{1,15}")
JSON = "--json"
Kind: TypeAlias = type[Path] | type[str] | type[float] | type[int] | type[bool] | None


@dataclass(frozen=True)
class PlainShape:
    """What a command takes: values by place, options, and which of both it needs; each with its field's name and type.

    Types other than text, paths, numbers and yes-or-no are None: values of theirs are left to the parser.
    """

    places: tuple[tuple[str, Kind], ...]
    options: Mapping[str, tuple[str, Kind]]
    needed: frozenset[str]


# As `shape_of` finds it; written down because the class needs pydantic.
QUICK = PlainShape(
    (("path", Path), ("out", Path)),
    {
        "--low": ("low", float),
        "--high": ("high", float),
        "--name": ("name_", str),
        "--series": ("series", str),
        "--crossings": ("crossings", bool),
        "--overwrite": ("overwrite", bool),
    },
    frozenset(("path", "out", "low")),
)


def shape_of(kind: type[Command]) -> PlainShape:
    """The shape of a command that uses no case."""
    from surgitwin.commands.base import arg_of, option_name

    plain: dict[Any, Kind] = {one: one for one in (Path, str, float, int, bool)}
    plain |= {str | None: str, Path | None: Path}
    types = {name: plain.get(field.annotation) for name, field in kind.model_fields.items()}
    by_place = [name for name in types if arg_of(kind, name).positional]
    options = {f"--{option_name(kind, name)}": (name, types[name]) for name in types if name not in by_place}
    needed = frozenset(name for name, field in kind.model_fields.items() if field.is_required())
    return PlainShape(tuple((name, types[name]) for name in by_place), options, needed)


def plain_values(shape: PlainShape, words: Sequence[str]) -> tuple[dict[str, Any], bool] | None:
    """The values of a command's fields, and whether JSON is wanted; None if the parser is to say.

    Parameters
    ----------
    words
        Those behind the command's own word.
    """
    places = list(shape.places)
    values: dict[str, Any] = {}
    as_json = False
    rest = iter(words)
    for word in rest:
        if word == JSON and not as_json:
            as_json = True
            continue
        if word in shape.options:
            name, kind = shape.options[word]
            value = True if kind is bool else _value(kind, next(rest, ""))
        elif word.startswith("-") or not places:
            return None
        else:
            name, kind = places.pop(0)
            value = _value(kind, word)
        if value is None or name in values:
            return None
        values[name] = value
    return (values, as_json) if shape.needed <= values.keys() else None


def _value(kind: Kind, word: str) -> Any:
    """The word as a value of this type; None where that is not plain."""
    if kind is float:
        return float(word) if _DECIMAL.fullmatch(word) else None
    if kind is int:
        return int(word) if _WHOLE.fullmatch(word) else None
    if not word or word.startswith("-") or word != word.strip():
        return None
    if kind is Path:
        return Path(word)
    return word if kind is str else None
