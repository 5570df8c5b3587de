"""What a command is: typed fields, long work that sees no scene, and one named change at the end.

The command line, the window, scripts and the case's log are all made from the same classes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    # The nodes of a case take long to import, and some commands need none.
    from surgitwin.scene.editor import Transaction
    from surgitwin.scene.scene import Scene

Document = dict[str, Any]
T = TypeVar("T")
CaseUse = Literal["none", "create", "read", "edit"]


class Bench(Protocol):
    """What a command may use of the session it runs in."""

    @property
    def scene(self) -> Scene: ...

    @property
    def case_path(self) -> Path | None: ...

    def transaction(self, name: str) -> AbstractContextManager[Transaction]: ...

    def save_copy(self, path: Path, *, for_sharing: bool = False, overwrite: bool = False) -> None: ...


@dataclass(frozen=True)
class Arg:
    """How a field of a command is shown: its help, its place on the command line and its unit.

    Attributes
    ----------
    positional
        The field is given by place instead of by ``--name``.
    option
        The name on the command line if it differs from the field's.
    unit
        ``mm``, ``HU`` and so on; shown beside the value.
    """

    help: str
    positional: bool = False
    option: str | None = None
    unit: str = ""


@dataclass(frozen=True)
class Work(Generic[T]):
    """The two halves of a command: ``compute`` on any thread, on frozen inputs; ``commit`` on the main thread."""

    compute: Callable[[Context], T]
    commit: Callable[[T], Document]


def at_once(apply: Callable[[], Document]) -> Work[None]:
    """Work that has nothing to compute."""
    return Work(lambda ctx: None, lambda _: apply())


class Command(BaseModel):
    """One thing a user can do.

    Attributes
    ----------
    name
        Its word on the command line and in ``session.run``.
    title
        Its words in a menu.
    case
        Whether it needs a case, and what it does with it.
    unlogged
        Fields that do not go into the case's log, such as every place of the mouse.
    caseless
        It also runs without a case: ``-`` in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, defer_build=True)

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    case: ClassVar[CaseUse] = "edit"
    unlogged: ClassVar[frozenset[str]] = frozenset()
    caseless: ClassVar[bool] = False

    def start(self, bench: Bench) -> Work[Any]:
        """Check the values, freeze what the work needs, and return the work.

        Raises
        ------
        BadInput
            If a value does not fit the case.
        """
        raise NotImplementedError

    @property
    def changes_case(self) -> bool:
        """Whether it changes the case it runs on, with the values that it has."""
        return self.case == "edit"

    @classmethod
    def printed(cls, document: Document) -> Any:
        """What ``--json`` prints, and scripts get, of the document."""
        return document

    @classmethod
    def complaint(cls, document: Document) -> str:
        """One sentence if the document is bad news, such as a check that found damage: the command then fails."""
        return ""


def perform(command: Command, bench: Bench, ctx: Context) -> Document:
    """Run a command here and now, and return its document."""
    work = command.start(bench)
    outcome = work.compute(ctx)
    ctx.check()
    return work.commit(outcome)


def build(kind: type[Command], values: dict[str, Any]) -> Command:
    """Make a command from loose values; fields may be called by their name or as on the command line.

    Raises
    ------
    BadInput
        One sentence for the first value that does not fit.
    """
    try:
        return kind.model_validate(_by_field(kind, values))
    except ValidationError as error:
        raise BadInput(sentence_of(error, kind)) from None


def arg_of(kind: type[Command], field: str) -> Arg:
    """How the field is shown."""
    return next((m for m in kind.model_fields[field].metadata if isinstance(m, Arg)), Arg(""))


def option_name(kind: type[Command], field: str) -> str:
    """The field's word on the command line, without the dashes."""
    return arg_of(kind, field).option or field.replace("_", "-")


def _by_field(kind: type[Command], values: dict[str, Any]) -> dict[str, Any]:
    """The values under the names of the fields; one text where a list is wanted is a list of one."""
    fields = kind.model_fields
    options = {option_name(kind, name).replace("-", "_"): name for name in fields}
    named: dict[str, Any] = {}
    for key, value in values.items():
        name = key if key in fields else options.get(key.replace("-", "_"), key)
        if name in fields and isinstance(value, str) and get_args(fields[name].annotation)[1:] == (Ellipsis,):
            value = (value,)
        named[name] = value
    return named


def is_many(annotation: Any) -> bool:
    """True for a field that takes any number of values."""
    return get_origin(annotation) is dict or get_args(annotation)[-1:] == (Ellipsis,)


def sentence_of(error: ValidationError, kind: type[Command]) -> str:
    """The first finding of a validation, as one sentence that names the value."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]] or [tr("the values")]
    if place[0] in kind.model_fields:
        place[0] = option_name(kind, place[0])
    where = place[0]
    if first["type"] == "missing" and len(place) == 1:
        return tr("{where} is missing.").format(where=where)
    if first["type"] == "missing":
        return tr("{where} has too few values: {given}.").format(where=where, given=first.get("input"))
    if first["type"] == "extra_forbidden":
        return tr("There is no setting called {where}.").format(where=where)
    given = str(first.get("input")) or tr("empty")
    message = str(first["msg"]).removeprefix("Value error, ").replace("Input should", "it should").rstrip(".")
    message = message[:1].lower() + message[1:]
    return tr("{where} cannot be {given}: {why}.").format(where=where, given=given[:80], why=message)
