"""Turns every command class into a sub-command, and adds the few that only the terminal has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from cyclopts import App, Parameter

from surgitwin import __version__
from surgitwin.cli import extras
from surgitwin.cli.batch import batch
from surgitwin.cli.extras import OpenWindow
from surgitwin.cli.running import run_command
from surgitwin.cli.words import sort_words
from surgitwin.commands import COMMANDS
from surgitwin.commands.base import Command, arg_of, is_many, option_name
from surgitwin.core.text import tr

CASE_HELP = tr("the case file, .twin")


def make_app(open_window: OpenWindow, words: Sequence[str] = ()) -> App:
    """The command line; ``open_window`` is called where the window is wanted.

    Parameters
    ----------
    words
        What was typed. If they name a command, the others are left out: describing them all takes time.
    """
    app = App(
        name="surgitwin",
        version=__version__,
        suppress_keyboard_interrupt=False,  # Ctrl+C has a status and a sentence of its own
        help=tr("Surgical planner on a patient's digital twin. Research and planning aid, not a medical device."),
    )
    window = extras.window_command(open_window)
    app.default(window)
    app.command(window, name="gui")
    app.command(extras.demo_command(open_window), name="demo")
    app.command(extras.sample, name="sample")
    app.command(extras.run_script, name="run")
    app.command(batch, name="batch")
    chosen = COMMANDS.get(words[0]) if words else None
    for kind in COMMANDS.values() if chosen is None else (chosen,):
        app.command(_function_for(kind), name=kind.name)
    return app


def prepare(words: Sequence[str]) -> list[str]:
    """The words as the parser takes them."""
    if not words or words[0] not in COMMANDS:
        return list(words)
    return [words[0], *sort_words(COMMANDS[words[0]], words[1:])]


def _function_for(kind: type[Command]) -> Callable[..., int]:
    """A function whose signature is made from the command's fields."""

    def call(*args: Any, **kwargs: Any) -> int:
        values = signature.bind(*args, **kwargs).arguments
        case = values.pop("case", None)
        as_json = bool(values.pop("json", False))
        values.pop("no_progress", None)
        return run_command(kind, case, values, as_json)

    signature = _signature(kind)
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    call.__name__ = kind.name.replace("-", "_")
    call.__doc__ = kind.summary
    return call


def _signature(kind: type[Command]) -> inspect.Signature:
    parameters: list[inspect.Parameter] = []
    if kind.case != "none":
        parameters.append(_parameter("case", Path, inspect.Parameter.POSITIONAL_ONLY, Parameter(**_place(CASE_HELP))))
    named: list[inspect.Parameter] = []
    for name, field in kind.model_fields.items():
        arg = arg_of(kind, name)
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        help_text = f"{arg.help} [{arg.unit}]" if arg.unit else arg.help
        if arg.positional and is_many(field.annotation):
            parameters.append(_parameter(name, str, inspect.Parameter.VAR_POSITIONAL, Parameter(**_place(help_text))))
        elif arg.positional:
            place = Parameter(**_place(help_text))
            parameters.append(_parameter(name, field.annotation, inspect.Parameter.POSITIONAL_ONLY, place, default))
        else:
            named.append(_option("--" + option_name(kind, name), name, field.annotation, help_text, default))
    shown = Parameter(help=tr("print one JSON document"), negative="", show_default=False)
    named.append(_parameter("json", bool, inspect.Parameter.KEYWORD_ONLY, shown, False))
    return inspect.Signature(parameters + named)


def _place(help_text: str) -> dict[str, Any]:
    """Values may begin with a minus sign, as LPS coordinates do, and ``-`` is a name like any other."""
    return {"help": help_text, "allow_leading_hyphen": True}


def _option(option: str, name: str, annotation: Any, help_text: str, default: Any) -> inspect.Parameter:
    if get_origin(annotation) is dict:
        annotation, default = tuple[str, ...], ()
    # The help speaks of defaults that mean something; "None", "()" and "False" do not.
    says = default is not inspect.Parameter.empty and default not in (None, (), "", False)
    place = _place(help_text)
    shown = Parameter(name=option, negative=_negative(annotation), show_default=says, **place)
    return _parameter(name, annotation, inspect.Parameter.KEYWORD_ONLY, shown, default)


def _parameter(
    name: str, annotation: Any, way: Any, shown: Parameter, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    return inspect.Parameter(name, way, annotation=Annotated[annotation, shown], default=default)


def _negative(annotation: Any) -> tuple[str, ...] | None:
    """Only a yes-or-no that may also be left open has a ``--no-`` form."""
    return None if bool in get_args(annotation) else ()
