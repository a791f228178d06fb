"""What runs in the process of an isolated handler."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from attrs import evolve as replace
from attrs import frozen

from parcae.context import Context, Stopped
from parcae.definitions import Isolation
from parcae.definitions import Task as Definition
from parcae.handlers import Handler, Phase, error_of
from parcae.payloads import dump
from parcae_adapters.worker.calls import CutOff, Raised

with suppress(ImportError):
    import resource

STOP = "stop"
"""What the worker says when the handler should stop."""


@frozen(kw_only=True)
class Task:
    """What the process is to call.

    Attributes:
        where: the handler's module, and its name in there.
        context: what the handler is told.
        arguments: its other arguments.
        isolation: its limits.
    """

    where: tuple[str, str]
    context: Context
    arguments: Mapping[str, Any]
    isolation: Isolation


def located(handler: Handler) -> tuple[str, str]:
    """The module and the name by which another process finds ``handler``.

    Raises:
        TypeError: there is none.
    """
    where = handler.__module__, handler.__qualname__
    try:
        found = _found(where)
    except (ImportError, AttributeError):
        found = None
    if found is not handler:
        raise TypeError(
            f"expected the isolated handler {where[1]!r} at the top level of its module "
            f"{where[0]!r}, where another process can import it"
        )
    return where


def _found(where: tuple[str, str]) -> Handler:
    module, name = where
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if isinstance(found, Definition):
        found = found.run
    handler: Handler = found.handler if isinstance(found, Phase) else found
    return handler


def serve(task: Task, pipe: Connection) -> None:
    """Call the handler, and say how that ended."""
    with suppress(OSError):
        os.setsid()
    _limit(task.isolation)
    lock, stopping = threading.Lock(), threading.Event()

    def say(what: object) -> None:
        with lock, suppress(OSError):
            pipe.send(what)

    cancels: list[Callable[[], None]] = []
    threading.Thread(target=_listen, args=(pipe, stopping, cancels), daemon=True).start()
    context = replace(task.context, stopping=stopping.is_set, progress=say)
    try:
        say(dump(_call(_found(task.where), context, task.arguments, stopping, cancels)))
    except (Stopped, asyncio.CancelledError):
        say(CutOff())
    except BaseException as raised:  # noqa: BLE001 - whatever it was, it is reported
        say(Raised(error_of(raised, "".join(traceback.format_exception(raised)))))


def _listen(pipe: Connection, stopping: threading.Event, cancels: list[Callable[[], None]]) -> None:
    """Hear of a stop; and end with the worker, if that dies."""
    while True:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os._exit(1)
        stopping.set()
        for cancel in cancels:
            cancel()


def _call(
    handler: Handler,
    context: Context,
    arguments: Mapping[str, Any],
    stopping: threading.Event,
    cancels: list[Callable[[], None]],
) -> Any:
    if not inspect.iscoroutinefunction(handler):
        return handler(context, **arguments)

    async def awaited() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            loop.call_soon_threadsafe(task.cancel)

        cancels.append(cancel)
        if stopping.is_set():
            raise Stopped("asked to stop before it began")
        return await handler(context, **arguments)

    return asyncio.run(awaited())


def _limit(isolation: Isolation) -> None:
    """Bound memory and processor time, where the system knows such bounds."""
    if "resource" not in globals():
        return
    if isolation.memory is not None:
        _bound(resource.RLIMIT_AS, isolation.memory)
    if isolation.cpu is not None:
        _bound(resource.RLIMIT_CPU, max(int(isolation.cpu.total_seconds()), 1))


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (bound, hard))
