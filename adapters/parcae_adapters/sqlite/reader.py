"""The one thread that only reads: a slow listing delays other readers, and never a commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from parcae.errors import Unavailable
from parcae_adapters.sqlite.answers import Waiting, deliver
from parcae_adapters.sqlite.connect import File
from parcae_adapters.sqlite.errors import FAULTS, translated
from parcae_adapters.sqlite.queries import Queries

T = TypeVar("T")
Ask = Callable[[Queries], T]


class Reader:
    """Owns the connection that reads, in a thread of its own."""

    def __init__(self, file: File) -> None:
        """Open ``file`` and start.

        Raises:
            Unusable: the file can be no store.
            Unavailable: not at the moment.
        """
        self._file = file
        self._queue: SimpleQueue[tuple[Ask[Any], Waiting] | None] = SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._connection = file.reader()
        self._queries = Queries(self._connection)
        self._thread = threading.Thread(target=self._work, name="parcae-reader", daemon=True)
        self._thread.start()

    def put(self, ask: Ask[T]) -> asyncio.Future[T]:
        """Ask; the answer comes into the running event loop.

        Raises:
            Unavailable: the store was closed.
        """
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._door:
            if self._closed:
                raise Unavailable(f"{self._file.path}: the store is closed")
            self._queue.put((ask, waiting))
        return waiting

    def stop(self) -> None:
        """Answer what was asked so far, then let go; a second call does nothing."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)

    def join(self) -> None:
        """Wait until it has let go."""
        self._thread.join()

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None:
            ask, waiting = asked
            if not waiting.cancelled():
                deliver([(waiting, *self._answer(ask))])
        self._connection.close()

    def _answer(self, ask: Ask[Any]) -> tuple[Any, BaseException | None]:
        try:
            return ask(self._queries), None
        except FAULTS as error:
            return None, translated(error, self._file.path)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is for the caller to know
            return None, error
