"""``module:jobs``, a kind, and arguments as words: what a shell can say of an application."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from parcae import Jobs, Request
from parcae.definitions import Saga
from parcae.payloads import dump, load
from parcae_adapters.cli.output import clean


class Target(click.ParamType):  # type: ignore[type-arg]  # click 8.2 knows none
    """``module:jobs``: where an application keeps its :class:`parcae.Jobs`."""

    name = "module:jobs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Jobs:
        """Import it; the current folder counts as one to import from, save under -P."""
        if isinstance(value, Jobs):
            return value
        module_name, _, path = value.partition(":")
        if not path or not all(part.isidentifier() for part in module_name.split(".")):
            self.fail(f"{value!r} is not of the form module:jobs.", param, ctx)
        if not sys.flags.safe_path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # A module that is missing inside the application is the application's own error.
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            self.fail(f"there is no module {error.name!r} here.", param, ctx)
        except Exception as error:
            # It is the application's own fault, not ours; --debug shows where.
            said = f"{type(error).__name__}: {clean(str(error))}"
            message = f"module {module_name!r} cannot be imported: {said}."
            raise click.BadParameter(message, ctx, param) from error
        for name in path.split("."):
            if not hasattr(found, name):
                self.fail(f"module {module_name!r} has no {path!r}.", param, ctx)
            found = getattr(found, name)
        if not isinstance(found, Jobs):
            self.fail(f"{value!r} is not a parcae.Jobs but {type(found).__name__}.", param, ctx)
        return found


def request(jobs: Jobs, kind: str, words: Sequence[str]) -> Request[Any]:
    """The job of ``kind`` with the arguments that ``words`` say.

    A word is ``name=value`` if the handlers have an argument of that name, else the next argument.
    A value is JSON; what is not JSON, or goes to an argument annotated ``str``, is taken as text.

    Raises:
        click.UsageError: there is no such kind, or the arguments do not fit it.
    """
    try:
        saga = jobs[kind]
        args, kwargs = _arguments(saga, words)
        return saga(*args, **kwargs)
    except (LookupError, TypeError, ValueError) as error:
        raise click.UsageError(f"{error}.") from error


def _arguments(saga: Saga[...], words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    phase = next(iter(saga.phases.values()), None)
    kinds = dict(phase.arguments) if phase is not None else {}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in kinds:
            kwargs[name] = _value(value, kinds[name])
        else:
            position = len(args)
            kind = list(kinds.values())[position] if position < len(kinds) else Any
            args.append(_value(word, kind))
    return args, kwargs


def _value(word: str, kind: Any) -> Any:
    if kind is str:
        return word
    try:
        given = json.loads(word)
    except ValueError:
        given = word
    value = load(dump(given), kind)
    _refuse_unknown(given, json.loads(dump(value)))
    return value


def _refuse_unknown(given: Any, kept: Any) -> None:
    """Refuse a field that no class knows: it would be dropped without a word.

    Raises:
        ValueError: naming it.
    """
    if isinstance(given, dict) and isinstance(kept, dict):
        unknown = given.keys() - kept.keys()
        if unknown:
            known = ", ".join(kept) or "none at all"
            raise ValueError(f"unknown field {min(unknown)!r}; there is {known}")
        for name in given:
            _refuse_unknown(given[name], kept[name])
    elif isinstance(given, list) and isinstance(kept, list):
        for one, other in zip(given, kept, strict=False):
            _refuse_unknown(one, other)
