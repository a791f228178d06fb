"""A client of every use case, whose every call can be repeated if its answer was never heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve as replace
from attrs import field, frozen

from parcae import commands as c
from parcae.definitions import Request
from parcae.deliveries import Attempt, Report
from parcae.engine import Engine
from parcae.errors import LeaseLost
from parcae.filters import Filter
from parcae.handle import Held
from parcae.outbox import Dispatch
from parcae.outbox_engine import OutboxEngine
from parcae.payloads import dump
from parcae.settling import Said
from parcae.spec import Dependency, RetryMode, Spec
from parcae.state import Lease
from parcae.values import JobId, Lane, WorkerId, blob, seconds
from parcae_specs.story import error, phases

HALF = c.Progress(done=1, total=2)
HOOK, SECRET = "https://hook.example/", b"whsec_Y3Jhc2ggY3Jhc2ggY3Jhc2ggY3Jhc2g="
LATER = seconds(9)
"""For so long a receiver asks to be left alone: longer than the first wait, whatever its jitter."""


def _answer(status: int) -> Attempt:
    return Attempt(status=status, retry_after=None if status == 204 else LATER)


@frozen
class Client:
    """Somebody who calls use cases, and remembers what each job is called and who holds it.

    Attributes:
        engine: what is called.
        jobs: by the names that the script gives them.
        leases: likewise.
        taken: what was taken last to be sent, by the names of subscriptions.
        wary: repeats a call that may have been heard, so it looks first where no key protects it.
    """

    engine: Engine
    jobs: dict[str, JobId] = field(factory=dict)
    leases: dict[str, Lease] = field(factory=dict)
    taken: dict[str, Sequence[Dispatch]] = field(factory=dict)
    wary: bool = False

    async def submit(self, name: str, *shape: str, after: str = "", **changes: Any) -> None:
        """Admit a job, in a queue of its own."""
        payload = dump({"args": [name], "kwargs": {}})
        parents = (Dependency(parent=self.jobs[after]),) if after else ()
        spec = Spec(
            kind="crash",
            phases=phases(*(shape or ("work",))),
            payload=blob("payload", payload),
            lane=Lane(name),
            dependencies=parents,
        )
        spec = replace(spec, retry=replace(spec.retry, jitter=0, **changes))
        request: Request[None] = Request(spec=spec, payload=payload)
        handle = await self.engine.submit(request, idempotency_key=f"submit {name}")
        self.jobs[name] = handle.job_id

    async def claim(self, *names: str, worker: str = "ann", request: str = "") -> None:
        """Take what the queues of these names offer."""
        granted = await self.engine.claim(
            WorkerId(worker),
            frozenset({"crash"}),
            request=request or f"{worker} {names[0]}",
            limit=len(names),
            queues=frozenset(names),
        )
        for one in granted:
            self.leases[one.job.spec.lane.queue] = one.lease

    async def renew(self, *names: str) -> None:
        """Keep the leases on these."""
        held = [
            Held(job_id=self.jobs[one], command=c.Renew(token=self._token(one), progress=HALF))
            for one in names
        ]
        await self.engine.renew(held)

    async def start(self, name: str, phase: str = "work") -> None:
        """Begin a phase."""
        await self.engine.start_phase(self.jobs[name], self._token(name), phase)

    async def done(self, name: str, phase: str = "work", *, late: bool = False) -> None:
        """Report a result; ``late``: as one who does not hold the job any more."""
        data = f'"{phase} of {name}"'.encode()
        result = blob(f"result/{phase}", data), data
        token = self._token(name)
        if late:
            token = type(token)(token - 1)
        try:
            await self.engine.complete_phase(self.jobs[name], token, phase, result)
        except LeaseLost:
            if not late:
                raise

    async def fail(self, name: str, *, permanent: bool = False) -> None:
        """Report that the handler raised."""
        raised = error(permanent=permanent)
        await self.engine.fail(self.jobs[name], self._token(name), raised)

    async def release(self, name: str) -> None:
        """Give the job back."""
        await self.engine.release(self.jobs[name], self._token(name))

    async def cancel(self, name: str, *, force: bool = False) -> None:
        """Ask the job to stop."""
        await self.engine.cancel(self.jobs[name], by="ops", reason="crash", force=force)

    async def confirm(self, name: str) -> None:
        """Report that the handler has stopped."""
        await self.engine.confirm_cancel(self.jobs[name], self._token(name))

    async def undo(self, name: str, phase: str) -> None:
        """Begin an undo."""
        await self.engine.start_undo(self.jobs[name], self._token(name), phase)

    async def undone(self, name: str, phase: str) -> None:
        """Report that a phase is undone."""
        await self.engine.complete_undo(self.jobs[name], self._token(name), phase)

    async def undo_fails(self, name: str, phase: str, *, permanent: bool = False) -> None:
        """Report that an undo raised."""
        raised = error(permanent=permanent)
        await self.engine.fail_undo(self.jobs[name], self._token(name), phase, raised)

    async def retry(self, name: str, origin: str, mode: RetryMode) -> None:
        """Take up an ended job."""
        handle = await self.engine.retry(self.jobs[origin], mode, idempotency_key=f"retry {name}")
        # A retry goes into the lane of its origin, so that is what its lease is found under.
        self.jobs[origin] = handle.job_id

    async def note(self, name: str, text: str) -> None:
        """Add a note."""
        if self.wary and text in await self._notes(name):
            return
        await self.engine.annotate(self.jobs[name], text, by="ops")

    async def _notes(self, name: str) -> list[str | None]:
        history = await self.engine.history(self.jobs[name])
        return [getattr(one.event, "note", None) for one in history]

    async def delete(self, name: str) -> None:
        """Remove the ended job."""
        if self.wary and await self.engine.stored(self.jobs[name]) is None:
            return
        await self.engine.delete(self.jobs[name])

    async def reconcile(self) -> None:
        """Settle what is due."""
        await self.engine.reconcile()

    @property
    def outbox(self) -> OutboxEngine:
        """What is owed to others."""
        return OutboxEngine(self.engine.store)

    async def subscribe(self, name: str, *queues: str) -> None:
        """Have somebody told of how jobs of these queues begin and end."""
        wanted = Filter(types=("submitted", "completed"), queues=queues)
        await self.outbox.subscribe(name, HOOK, wanted=wanted, secret=SECRET)

    async def take(self, name: str, request: str) -> None:
        """Take what is owed, to send it."""
        self.taken[name] = await self.outbox.take(WorkerId("sender"), request=request)

    async def report(self, name: str, status: int) -> None:
        """Say what came of the first that was taken."""
        first = self.taken[name][0]
        await self.outbox.report(first.delivery, first.token, _answer(status))

    async def settle(self, name: str, status: int) -> None:
        """Say of all that were taken what came of them."""
        await self.outbox.settle(
            [
                Said(
                    delivery=one.delivery, command=Report(token=one.token, attempt=_answer(status))
                )
                for one in self.taken[name]
            ]
        )

    async def give_back(self, name: str) -> None:
        """Give the first back unsent."""
        first = self.taken[name][0]
        await self.outbox.release(first.delivery, first.token)

    async def replay(self, name: str) -> None:
        """Have the first that was taken sent again."""
        delivery = self.taken[name][0].delivery
        if self.wary and (await self.outbox.delivery(delivery)).replays:
            return
        await self.outbox.replay(delivery, by="ops")

    async def enable(self, name: str) -> None:
        """Send to a subscription again."""
        await self.outbox.enable(name, by="ops")

    async def seal(self) -> None:
        """Withhold everything."""
        await self.outbox.seal(by="ops")

    async def unseal(self) -> None:
        """Let it go."""
        await self.outbox.unseal(by="ops")

    def _token(self, name: str) -> Any:
        return self.leases[name].token
