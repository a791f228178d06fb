"""Calling a handler: a coroutine as a task that can be cancelled, a plain function in a thread."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import frozen

from parcae.context import Context, Stopped
from parcae.handlers import Handler, error_of
from parcae.values import Error


@frozen
class Done:
    """The handler returned."""

    value: Any


@frozen
class Raised:
    """The handler raised."""

    error: Error


@frozen
class CutOff:
    """The handler was stopped: what it was at may have happened."""


class Called(Protocol):
    """One call of a handler, under way, wherever it runs."""

    def cancel(self) -> None:
        """Ask it to stop."""
        ...

    async def outcome(self) -> Done | Raised | CutOff:
        """How it ended."""
        ...


class Call:
    """One call of a handler in this process."""

    def __init__(self, handler: Handler, context: Context, arguments: Mapping[str, Any]) -> None:
        self._can_cancel = inspect.iscoroutinefunction(handler)
        self._future: asyncio.Future[Any]
        if self._can_cancel:
            self._future = asyncio.ensure_future(_awaited(handler, context, arguments))
        else:
            self._future = in_thread(lambda: handler(context, **arguments))

    def cancel(self) -> None:
        """Stop it, where it can be stopped; a thread has to ask ``Context.cancelled`` itself."""
        if self._can_cancel:
            self._future.cancel()

    async def outcome(self) -> Done | Raised | CutOff:
        """How it ended. If whoever waits here is cancelled, so is the handler."""
        try:
            await asyncio.wait({self._future})
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._future.cancelled():
            return CutOff()
        raised = self._future.exception()
        if raised is None:
            return Done(self._future.result())
        if isinstance(raised, Stopped):
            return CutOff()
        return Raised(error_of(raised, "".join(traceback.format_exception(raised))))


async def _awaited(handler: Handler, context: Context, arguments: Mapping[str, Any]) -> Any:
    try:
        return await handler(context, **arguments)
    except (SystemExit, KeyboardInterrupt) as error:
        # Let through, these would end the event loop, and with it every other job.
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error


def in_thread(function: Callable[[], Any]) -> asyncio.Future[Any]:
    """Run ``function`` in a thread that does not keep the process alive.

    The threads of an executor would: one handler that never returns, and no shutdown ends.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if not future.done():
            future.set_result(value) if error is None else future.set_exception(error)

    def run() -> None:
        value, error = None, None
        try:
            value = context.run(function)
        except BaseException as raised:  # noqa: BLE001 - whatever it was, it is reported
            stopping = isinstance(raised, StopIteration | SystemExit | KeyboardInterrupt)
            error = RuntimeError(f"the handler raised {raised!r}") if stopping else raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, daemon=True, name="parcae-handler").start()
    return future
