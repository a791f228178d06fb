"""Commands that hold only for what their giver has seen: decided in the commit itself.

Whoever compares versions before the transaction can lose a race; a rule that compares them inside
cannot: what the view holds is what is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from parcae.change import Change, Revision, View
from parcae.errors import Conflict, Reason
from parcae.ports import Rule
from parcae.values import JobId, Version


class Unexpected(Conflict):
    """The job is at another version than the caller has seen: nothing was changed.

    Attributes:
        version: at which it is.
    """

    def __init__(self, job_id: JobId, version: Version) -> None:
        super().__init__(
            Reason.MOVED_ON, f"job {job_id} is at version {version}: look again, then repeat"
        )
        self.version = version


def expecting(rule: Rule, job_id: JobId, versions: Collection[Version] | None) -> Rule:
    """``rule``, on condition that the job is at one of ``versions``.

    A job that is not there is for ``rule`` to refuse. ``None``: any version will do. The selection
    must name the job.

    Raises:
        Unexpected: when the rule is run, and the job is at another version.
    """
    if versions is None:
        return rule

    def guarded(view: View) -> Sequence[Change | Revision]:
        stored = view.jobs.get(job_id)
        if stored is not None and stored.job.version not in versions:
            raise Unexpected(job_id, stored.job.version)
        return rule(view)

    return guarded
