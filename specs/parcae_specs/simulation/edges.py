"""Watches every single decision of the kernel, as the store asks for it."""

from __future__ import annotations

from collections.abc import Callable

from parcae import commands as c
from parcae.decide import Decision
from parcae.errors import ParcaeError, Rejected, Superseded
from parcae.events import LateResultRecorded
from parcae.queues import Queue
from parcae.state import Stored
from parcae.values import Instant, JobId, Place, Status
from parcae_specs.invariants.edges import EDGE, repeated
from parcae_specs.story import Edge

Decide = Callable[[JobId, Stored | None, c.Command, Instant, Place, Queue | None], Decision]

# These put the same question again, which the explorer does; here it would double the time.
CHECKS = {name: check for name, check in EDGE.items() if name not in ("S20", "S26")}


class Edges:
    """Holds each decision to the guarantees over one step."""

    def __init__(self, breaks: Callable[[str], None]) -> None:
        self._breaks = breaks
        self._taken: dict[tuple[JobId, c.Result], Status | None] = {}

    def watch(self, decide: Decide) -> Decide:
        """``decide``, watched."""

        def watched(
            job_id: JobId,
            stored: Stored | None,
            command: c.Command,
            now: Instant,
            place: Place,
            queue: Queue | None = None,
        ) -> Decision:
            decision: Decision | None = None
            refusal: ParcaeError | None = None
            try:
                decision = decide(job_id, stored, command, now, place, queue)
            except (Rejected, Superseded) as refused:
                refusal = refused
                raise
            finally:
                self._check(
                    Edge(
                        job_id=job_id,
                        before=stored,
                        command=command,
                        now=now,
                        place=place,
                        decision=decision,
                        refusal=refusal,
                    )
                )
            return decision

        return watched

    def _check(self, edge: Edge) -> None:
        if edge.decision is None and edge.refusal is None:
            return  # A history that cannot be: whoever asked for it says so.
        for name, check in CHECKS.items():
            if (broken := check(edge)) is not None:
                self._breaks(f"{name}: {broken} (job {edge.job_id})")
        if isinstance(edge.command, c.Result) and edge.before is not None:
            self._repeats((edge.job_id, edge.command), edge)

    def _repeats(self, asked: tuple[JobId, c.Result], edge: Edge) -> None:
        """A result that was taken is taken again, with the same answer, and adds nothing (S25)."""
        if asked in self._taken:
            if (broken := repeated(edge, self._taken[asked])) is not None:
                self._breaks(f"S25: {broken} (job {edge.job_id})")
        elif edge.decision is not None and not _late(edge):
            self._taken[asked] = edge.decision.status


def _late(edge: Edge) -> bool:
    return any(isinstance(event, LateResultRecorded) for event in edge.events)
