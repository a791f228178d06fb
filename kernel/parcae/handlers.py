"""Handlers and how they are called: signatures, arguments, results and errors as values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_type_hints, overload

from attrs import evolve as replace

from parcae.context import GiveUp, result_name
from parcae.payloads import checked, dump, load, structure
from parcae.spec import PhaseSpec, Retry, UndoSpec
from parcae.values import Blob, Error, blob

R = TypeVar("R")

Handler = Callable[..., Any]


class Phase(Generic[R]):
    """One step of a saga: a handler, and how it is undone."""

    def __init__(self, name: str, handler: Handler, arguments: Mapping[str, Any]) -> None:
        self.name = name
        self.handler = handler
        self.arguments = arguments
        self.returns: Any = hints(handler).get("return", Any)
        self.undo_handler: Handler | None = None
        self.undo_spec: UndoSpec | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler as it was written, in a test of it."""
        return self.handler(*args, **kwargs)

    @overload
    def undo(self, handler: Handler) -> Handler: ...

    @overload
    def undo(
        self, *, unknown: bool = False, retry: Retry | None = None, retired: bool = False
    ) -> Callable[[Handler], Handler]: ...

    def undo(
        self,
        handler: Handler | None = None,
        *,
        unknown: bool = False,
        retry: Retry | None = None,
        retired: bool = False,
    ) -> Any:
        """Register what undoes this phase: it is called with the result as its last argument.

        Args:
            handler: the function, where this is used as a plain decorator.
            unknown: it can also handle a phase of which nobody knows whether it happened; its last
                argument is then ``None``.
            retry: tries, and the waits between them.
            retired: new jobs have no such undo; it is kept for those that were admitted with it.

        Raises:
            TypeError: there is one already, or its arguments do not fit the phase's.
        """

        def register(function: Handler) -> Handler:
            if self.undo_handler is not None:
                raise TypeError(f"phase {self.name!r} has an undo already")
            names = list(arguments_of(function))
            if names[:-1] != list(self.arguments):
                expected = ", ".join(["ctx", *self.arguments, "result"])
                raise TypeError(f"expected the undo of {self.name!r} to take ({expected})")
            self.undo_handler = function
            if not retired:
                spec = UndoSpec(unknown=unknown)
                self.undo_spec = spec if retry is None else replace(spec, retry=retry)
            return function

        return register if handler is None else register(handler)

    def spec(self) -> PhaseSpec:
        """What the kernel knows of it."""
        return PhaseSpec(name=self.name, undo=self.undo_spec)


def arguments(phase: Phase[Any], payload: bytes) -> dict[str, Any]:
    """The arguments that a handler of ``phase`` is called with.

    Raises:
        ValueError: the payload does not hold them.
    """
    given = load(payload)
    if not isinstance(given, dict) or given.keys() != phase.arguments.keys():
        raise ValueError(f"expected the arguments {list(phase.arguments)}, got {given!r:.200}")
    return {name: structure(given[name], kind) for name, kind in phase.arguments.items()}


def undo_arguments(phase: Phase[Any], payload: bytes, result: bytes | None) -> dict[str, Any]:
    """The arguments that the undo of ``phase`` is called with; its result comes last.

    Raises:
        LookupError: it has no undo.
        ValueError: the payload or the result does not hold what the annotations say.
    """
    if phase.undo_handler is None:
        raise LookupError(f"phase {phase.name!r} has no undo here")
    given = arguments(phase, payload)
    value = None if result is None else load(result, phase.returns)
    return dict(zip(arguments_of(phase.undo_handler), (*given.values(), value), strict=True))


def error_of(raised: BaseException, traceback: str = "") -> Error:
    """What is kept of an exception."""
    return Error(
        type=_name(type(raised)),
        message=str(raised),
        traceback=traceback,
        mro=tuple(_name(kind) for kind in type(raised).__mro__[:-1]),
        permanent=isinstance(raised, GiveUp),
    )


def result_blob(phase: str, value: object) -> tuple[Blob, bytes]:
    """A phase's result as a blob.

    Raises:
        TypeError: it cannot be kept as JSON.
    """
    data = dump(value)
    return blob(result_name(phase), data), data


def _name(kind: type) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def hints(handler: Handler) -> dict[str, Any]:
    """The annotations of a handler, by name.

    Raises:
        TypeError: one of them names what is not there.
    """
    try:
        return get_type_hints(handler)
    except NameError as error:
        raise TypeError(f"cannot read the annotations of {handler!r}: {error}") from error


def arguments_of(handler: Handler) -> dict[str, Any]:
    """The parameters after the context, with their types."""
    parameters = list(inspect.signature(handler).parameters.values())
    odd = [p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if odd or not parameters:
        raise TypeError(f"expected {handler!r} to take ctx and named arguments, got {parameters}")
    types = hints(handler)
    return {p.name: types.get(p.name, Any) for p in parameters[1:]}


def bind(phase: Phase[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, each of the type its handler says.

    Raises:
        TypeError: they do not fit.
    """
    signature = inspect.signature(phase.handler)
    first = next(iter(signature.parameters))
    bound = signature.bind(None, *args, **kwargs)
    bound.apply_defaults()
    given = {name: value for name, value in bound.arguments.items() if name != first}
    for name, value in given.items():
        checked(value, phase.arguments[name], f"argument {name!r}")
    return given
