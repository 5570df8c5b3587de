"""Reads command lines in which nothing is unusual, without the parser for all of them, whose import takes long.

Where anything is in doubt the parser decides: then nothing is read here, and every refusal, every help text and every
other way to write an option stays the parser's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surgitwin.commands.base import Command, arg_of, option_name

_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_WHOLE = re.compile(r"[+-]?\d{1,15}")
JSON = "--json"


def plain_values(kind: type[Command], words: Sequence[str]) -> tuple[dict[str, Any], bool] | None:
    """The values of a command's fields, and whether JSON is wanted; None if the parser is to say.

    Parameters
    ----------
    words
        Those behind the command's own word.
    """
    if kind.case != "none":
        return None
    options = {f"--{option_name(kind, name)}": name for name in kind.model_fields if not arg_of(kind, name).positional}
    places = [name for name in kind.model_fields if arg_of(kind, name).positional]
    values: dict[str, Any] = {}
    as_json = False
    rest = iter(words)
    for word in rest:
        if word == JSON and not as_json:
            as_json = True
            continue
        name = options.get(word)
        if name is None:
            if word.startswith("-") or not places:
                return None
            name = places.pop(0)
            value = _value(kind, name, word)
        elif kind.model_fields[name].annotation is bool:
            value = True
        else:
            value = _value(kind, name, next(rest, ""))
        if value is None or name in values:
            return None
        values[name] = value
    if any(field.is_required() and name not in values for name, field in kind.model_fields.items()):
        return None
    return values, as_json


def _value(kind: type[Command], name: str, word: str) -> Any:
    """The word as the field's type; None where that is not plain."""
    wanted = kind.model_fields[name].annotation
    if wanted is float:
        return float(word) if _DECIMAL.fullmatch(word) else None
    if wanted is int:
        return int(word) if _WHOLE.fullmatch(word) else None
    if not word or word.startswith("-") or word != word.strip():
        return None
    if wanted is Path:
        return Path(word)
    return word if wanted in (str, str | None) else None
