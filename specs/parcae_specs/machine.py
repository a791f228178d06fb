"""Two stores under the same commands: whatever one answers and keeps, the other must.

:func:`agreement` gives a Hypothesis state machine for any two stores. The first is the model, such
as the memory store; the second the system under test. Both get one hand-moved clock and the same
entropy, and after every step everything that can be asked of them is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

from attrs import evolve as replace
from hypothesis import strategies as st
from hypothesis.stateful import rule

from parcae import admit
from parcae import commands as c
from parcae import handle as rules
from parcae.admit import Idempotency
from parcae.change import Change, Key, View
from parcae.configure import configure
from parcae.errors import ParcaeError
from parcae.ports import Named, Store
from parcae.queues import QueueCommand, Resume
from parcae.spec import RetryMode
from parcae.state import Ended, Stored
from parcae.values import Instant, Status, Version, seconds
from parcae_specs.inputs import QUEUES, durations, settings
from parcae_specs.machine_outgoing import Outgoing
from parcae_specs.twins import MakeStore, MovableClock

__all__ = ["Agreement", "MovableClock", "agreement"]


class Agreement(Outgoing):
    """See :func:`agreement`."""

    @rule(pick=st.integers(0, 20), other=st.integers(0, 20))
    def annotate(self, pick: int, other: int) -> None:
        """Note something on two jobs, or twice on one, in one transaction."""
        jobs = [job for job in (self.job(pick), self.job(other)) if job is not None]

        def twice(view: View) -> Sequence[Change]:
            changes: list[Change] = []
            for job in jobs:
                note = c.Annotate(by="me", note=f"{len(changes)}")
                changes.append(rules.handle(view, job, note))
                after = changes[-1].job
                assert after is not None
                stored = Stored(job=after, liveness=changes[-1].liveness)
                view = replace(view, jobs={**view.jobs, job: stored})
            return changes

        self.transact(Named(ids=tuple(jobs)), twice)

    @rule(pick=st.integers(0, 20))
    def delete(self, pick: int) -> None:
        """Remove an ended job."""
        stored = self.stored(self.job(pick))
        if stored is not None and stored.job.status.is_terminal:
            self.command(stored.job.id, c.Delete())

    @rule(pick=st.integers(0, 20), mode=st.sampled_from(RetryMode), key=st.sampled_from(["", "k1"]))
    def retry(self, pick: int, mode: RetryMode, key: str) -> None:
        """Take up an ended job."""
        if (job := self.job(pick)) is None:
            return
        once = Idempotency(key=Key(scope="submit", key=key), ttl=seconds(60)) if key else None
        keys = (admit.carry_key(job), *((once.key,) if once else ()))
        self.admitted(
            self.transact(
                Named(ids=(job,), keys=keys, blobs=True),
                lambda view: [admit.retry(view, job, mode, (), once)],
            )
        )

    @rule(queue=st.sampled_from(QUEUES), command=settings, often=st.integers(0, 2))
    def set_queue(self, queue: str, command: QueueCommand, often: int) -> None:
        """Now and then, set something for a queue; what is paused is soon resumed."""
        if often == 0:
            command = Resume()
        elif often == 1:
            return
        selection = Named(queues=(queue,))
        self.transact(selection, lambda view: configure(view, queue, command))

    @rule(pick=st.integers(0, 20), wrong=st.sampled_from(["before", "raises", "version", "end"]))
    def break_the_rules(self, pick: int, wrong: str) -> None:
        """A rule that must be refused: afterwards everything is as it was."""
        stored = self.stored(self.job(pick))
        if stored is None:
            return
        job = stored.job

        def bad(view: View) -> Sequence[Change]:
            change = rules.handle(view, job.id, c.Annotate(by="me", note="bad"))
            assert change.job is not None
            if wrong == "before":
                return [replace(change, before=Version(change.before + 1))]
            if wrong == "version":
                return [replace(change, events=change.events * 2)]
            if wrong == "end" and isinstance(job.state, Ended):
                other = Status.FAILED if job.status is Status.COMPLETED else Status.COMPLETED
                ended = replace(job.state, status=other)
                return [replace(change, job=replace(change.job, state=ended))]
            return [change, rules.handle(view, job.id, c.Submit(spec=job.spec))]

        done = self.transact(Named(ids=(job.id,)), bad)
        assert isinstance(done, ParcaeError)

    @rule(by=durations, back=st.integers(0, 9), to_next=st.booleans())
    def move(self, by: timedelta, back: int, to_next: bool) -> None:
        """Let time pass; now and then a clock is set back."""
        due = self.runner.run(_next_due(self.model, self.clock.now()))
        if to_next and due is not None:
            self.clock.set(due)
        else:
            self.clock.set(self.clock.now() - by if back == 0 else self.clock.now() + by)


def agreement(
    clock: Callable[[], MovableClock], model: MakeStore, system: MakeStore
) -> type[Agreement]:
    """The state machine that drives ``system`` and compares it with ``model``.

    Args:
        clock: makes the clock that both stores of a run share.
        model: makes an empty store whose answers count.
        system: makes an empty store that is to give the same ones.
    """
    return type(
        "StoresAgree",
        (Agreement,),
        {
            "make_clock": staticmethod(clock),
            "make_model": staticmethod(model),
            "make_system": staticmethod(system),
            "reached": Counter(),
            "stages": Counter(),
        },
    )


async def _next_due(store: Store, now: Instant) -> Instant | None:
    return await store.next_due(now)
