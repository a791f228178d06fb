"""Whether the durations of all definitions fit together, and fit to how workers are stopped."""

from __future__ import annotations

from datetime import timedelta

from attrs import frozen

from parcae.definitions import Jobs
from parcae.timing import Finding, check


@frozen(kw_only=True)
class Misfit:
    """A finding about one kind of job."""

    kind: str
    finding: Finding

    def __str__(self) -> str:
        """The kind, what is wrong, and what mends it."""
        return f"{self.kind}: {self.finding.message} ({self.finding.fix})"


def validate(
    jobs: Jobs,
    *,
    drain: timedelta | None = None,
    stop: timedelta | None = None,
    rerun: timedelta | None = None,
) -> tuple[Misfit, ...]:
    """What does not fit together in the definitions (rule 9 of the lifecycle), kind by kind.

    Args:
        jobs: the definitions.
        drain: how long a stopping worker waits for its handlers, where that is bounded.
        stop: how long the system lets a worker stop before it kills it.
        rerun: after how long something else would run the work again, where something does.
    """
    found: list[Misfit] = []
    for kind in sorted(jobs.kinds):
        options = jobs[kind].options
        findings = check(
            options.timing,
            retry=options.retry,
            expected=options.expected,
            drain=drain,
            stop=stop,
            rerun=rerun,
            uninterruptible=options.uninterruptible,
        )
        found += (Misfit(kind=kind, finding=finding) for finding in findings)
    return tuple(found)
