"""One process that is a whole server: the interface, the reconciler, and workers if asked for.

Each part is an async context manager: entered in order, left in the reverse order, the store last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

from attrs import field, frozen

from parcae.definitions import Jobs
from parcae.engine import Engine
from parcae.errors import Unavailable
from parcae.ports import Store
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import Calendar
from parcae.values import seconds
from parcae_adapters.http.access import Access, Grant, digest, new_token
from parcae_adapters.http.app import make_app
from parcae_adapters.http.guard import Guard
from parcae_adapters.http.hosts import LOOPBACK, Hosts
from parcae_adapters.http.listening import Address, listening, tls
from parcae_adapters.http.route import Scope
from parcae_adapters.http.routes.subscriptions import GUARD
from parcae_adapters.http.tokens import TokenFile
from parcae_adapters.worker import Worker

RECONCILE_EVERY = seconds(1)
GRACE = 10.0
"""Seconds, beyond all drains, after which the process ends by force."""

Component = Callable[[Engine], AbstractAsyncContextManager[object]]
"""A part of the server that lives beside the interface: the dispatcher of webhooks is one."""

log = logging.getLogger("parcae.serve")


@frozen(kw_only=True)
class Settings:
    """How to serve.

    Attributes:
        listen: where.
        tokens: the file of tokens; ``None``: a new one for this process, on a loopback only.
        certificate: for TLS, with ``key``.
        key: for TLS.
        trusted: addresses of proxies, which bring TLS and say from where a request comes.
        names: further names that the server answers to.
        plain: serve beyond this machine without TLS and without a proxy.
        open_metrics: ``/metrics`` needs no token.
        workers: so many jobs run here at once; 0: none.
        reconcile: settle what is overdue, and fire schedules.
        notice: how long ``/readyz`` says that the server stops, before it takes no more requests.
        drain: how long requests under way, and then workers, get at the end.
        connections: so many at once.
    """

    listen: Address
    tokens: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    trusted: Sequence[str] = ()
    names: Sequence[str] = ()
    plain: bool = False
    open_metrics: bool = False
    workers: int = 0
    reconcile: bool = True
    notice: timedelta = field(default=seconds(0))
    drain: timedelta = field(default=seconds(10))
    connections: int = 2_000

    def __attrs_post_init__(self) -> None:
        """Refuse what would stand open.

        Raises:
            ValueError: it says what to do instead.
        """
        if (self.certificate is None) != (self.key is None):
            raise ValueError("expected --tls-cert and --tls-key together")
        if self.listen.loopback:
            return
        if self.tokens is None:
            raise ValueError(
                f"expected --tokens FILE to listen on {self.listen.host}: without tokens only "
                "this machine may ask; make one with: parcae token new NAME"
            )
        if self.certificate is None and not self.trusted and not self.plain:
            raise ValueError(
                f"expected TLS to listen on {self.listen.host}, where tokens would travel in the "
                "clear: give --tls-cert and --tls-key, or --trusted-proxy ADDRESS of the proxy "
                "that has it, or --plain-http"
            )

    def context(self) -> ssl.SSLContext | None:
        """TLS, if it is wanted.

        Raises:
            ValueError: its files cannot be used.
        """
        if self.certificate is None or self.key is None:
            return None
        return tls(self.certificate, self.key)

    def hosts(self) -> Hosts:
        """The names to answer to: on a loopback none that a page elsewhere could have."""
        if self.listen.loopback:
            return Hosts((*LOOPBACK, self.listen.host, *self.names))
        return Hosts(self.names) if self.names else Hosts.any()


def access(settings: Settings, tell: Callable[[str], None]) -> Access:
    """Who may ask.

    Args:
        settings: where the tokens are, if anywhere.
        tell: is given the token of this process, if there is no file of others.

    Raises:
        ValueError: the file cannot be used.
    """
    if settings.tokens is not None:
        return Access(TokenFile(settings.tokens), trusted=settings.trusted)
    token = new_token()
    grants = (Grant(name="local", digest=digest(token), scopes=(Scope.ADMIN,)),)
    tell(token)
    return Access(lambda: grants, trusted=settings.trusted)


@asynccontextmanager
async def reconciling(
    engine: Engine, calendar: Calendar | None = None, every: timedelta = RECONCILE_EVERY
) -> AsyncIterator[None]:
    """Settle what is overdue, and fire schedules, again and again until the end of the block."""
    scheduler = None if calendar is None else SchedulerEngine(engine.store, calendar)
    stopped = asyncio.Event()

    async def run() -> None:
        while not stopped.is_set():
            try:
                await _turn(engine, scheduler)
            except Unavailable as error:
                log.warning("the reconciler: %s; repeating", error)
            except Exception:
                # One record that cannot be read must not end what keeps all others going.
                log.exception("the reconciler failed; repeating")
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), every.total_seconds())

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        stopped.set()
        await task


async def _turn(engine: Engine, scheduler: SchedulerEngine | None) -> None:
    while await engine.reconcile():
        pass
    if scheduler is not None:
        await scheduler.fire()


class Serving:
    """A server that runs until :meth:`stop`.

    Args:
        open_store: opens the store; it is closed last.
        settings: how to serve.
        jobs: what submissions are checked against, and what workers run.
        calendar: what reads cron expressions.
        components: further parts.
        guard: what the addresses of webhooks are held against; by default they go out into the
            world only.
        tell: is given what must not go into a log: the token of a server without a file of them.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        settings: Settings,
        *,
        jobs: Jobs | None = None,
        calendar: Calendar | None = None,
        components: Iterable[Component] = (),
        guard: Guard | None = None,
        tell: Callable[[str], None],
    ) -> None:
        if settings.workers and jobs is None:
            raise ValueError("expected MODULE:JOBS with --workers: what they are to run")
        self._open_store = open_store
        self._settings = settings
        self._jobs = jobs
        self._calendar = calendar
        self._components = tuple(components)
        self._guard = guard
        self._access = access(settings, tell)
        self._context = settings.context()
        self._stops = 0
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: Worker | None = None
        self._over = threading.Event()

    def stop(self) -> None:
        """Begin to stop; a second call cuts the drain of workers short. From any thread."""
        self._stops += 1
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)
        if self._stops > 1 and self._worker is not None:
            self._worker.stop()
        worker = 0.0 if self._worker is None else self._worker.drain.total_seconds()
        limit = self._settings.notice.total_seconds() + self._settings.drain.total_seconds()
        limit += worker if self._stops == 1 else 0.0
        threading.Thread(
            target=self._force, args=(limit + GRACE,), daemon=True, name="parcae-watchdog"
        ).start()

    def _force(self, after: float) -> None:
        if not self._over.wait(after):
            log.error("the server did not stop within its time: the process ends by force")
            logging.shutdown()
            os._exit(1)

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until :meth:`stop`.

        Args:
            ready: is called with the URL once requests are taken.

        Raises:
            OSError: nobody can listen there.
        """
        self._loop = asyncio.get_running_loop()
        settings = self._settings
        try:
            async with AsyncExitStack() as stack:
                engine = await stack.enter_async_context(Engine(self._open_store()))
                for part in self._parts():
                    await stack.enter_async_context(part(engine))
                app = make_app(
                    engine,
                    access=self._access,
                    jobs=self._jobs,
                    hosts=settings.hosts(),
                    open_metrics=settings.open_metrics,
                )
                if self._guard is not None:
                    app[GUARD] = self._guard
                url = await stack.enter_async_context(
                    listening(
                        app,
                        settings.listen,
                        context=self._context,
                        connections=settings.connections,
                        drain=settings.drain.total_seconds(),
                        notice=settings.notice.total_seconds(),
                    )
                )
                ready(url)
                if not self._stops:
                    await self._stopped.wait()
        finally:
            self._over.set()

    def _parts(self) -> Iterable[Component]:
        if self._settings.reconcile:
            yield lambda engine: reconciling(engine, self._calendar)
        if self._settings.workers:
            yield self._working
        yield from self._components

    def _working(self, engine: Engine) -> Worker:
        assert self._jobs is not None
        self._worker = Worker(
            engine,
            self._jobs,
            concurrency=self._settings.workers,
            drain=self._settings.drain,
            calendar=self._calendar,
        )
        return self._worker
