"""Sorts the words of a command line before they are parsed, so that ``--segment A B`` and ``--at -1,2,3`` work."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from surgitwin.commands.base import Command, arg_of, is_many, option_name


@dataclass(frozen=True)
class _Shape:
    """How many words an option takes: ``count`` of them, or any number."""

    count: int
    many: bool = False


def sort_words(kind: type[Command], words: Sequence[str]) -> list[str]:
    """The same command line, each value of an option behind an option word of its own.

    An option that takes any number of values takes all words up to the next option; but where words that the command
    needs by their place would be missing then, the last of them are left for those. A fixed number of values may be
    written with commas.
    """
    shapes = _shapes(kind)
    needed = _needed(kind)
    sorted_words: list[str] = []
    taken = 0  # words given by their place
    loose: list[int] = []  # where values stand that could be words given by their place as well
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            return sorted_words + list(words[position - 1 :])
        shape = shapes.get(word)
        if shape is None:
            taken += not word.startswith("--")
            sorted_words.append(word)
            continue
        values = _values(words[position:], shape)
        position += len(values)
        if not shape.many:
            sorted_words += [word, *_parts(values, shape.count)]
            continue
        if not values:
            sorted_words.append(word)
        for number, value in enumerate(values):
            if number:
                loose.append(len(sorted_words))
            sorted_words += [word, value]
    missing = max(0, needed - taken)
    for place in reversed(loose[len(loose) - min(missing, len(loose)) :]):
        del sorted_words[place]
    return sorted_words


def _values(words: Sequence[str], shape: _Shape) -> list[str]:
    if shape.many:
        end = next((n for n, word in enumerate(words) if word.startswith("--")), len(words))
        return list(words[:end])
    if shape.count > 1 and words and words[0].count(",") == shape.count - 1:
        return list(words[:1])
    return list(words[: shape.count])


def _parts(values: list[str], count: int) -> list[str]:
    return [part.strip() for part in values[0].split(",")] if count > 1 and len(values) == 1 else values


def _shapes(kind: type[Command]) -> dict[str, _Shape]:
    shapes: dict[str, _Shape] = {}
    for name, field in kind.model_fields.items():
        if arg_of(kind, name).positional:
            continue
        annotation = _without_none(field.annotation)
        if annotation is bool:
            continue
        count = len(get_args(annotation)) if get_origin(annotation) is tuple and not is_many(annotation) else 1
        shapes["--" + option_name(kind, name)] = _Shape(count, is_many(annotation))
    return shapes


def _needed(kind: type[Command]) -> int:
    """How many words the command needs by their place."""
    fields = [f for n, f in kind.model_fields.items() if arg_of(kind, n).positional and f.is_required()]
    return len(fields) + (kind.case != "none")


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation
