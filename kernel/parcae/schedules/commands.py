"""What can be asked of a schedule. ``by``: who asks."""

from __future__ import annotations

from attrs import field, frozen

from parcae.schedules.state import Plan
from parcae.values import valid_label


@frozen(kw_only=True)
class SetSchedule:
    """Admit jobs by this plan from now on; one that is paused stays so."""

    plan: Plan
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class PauseSchedule:
    """Let no tick count until it is resumed."""

    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class ResumeSchedule:
    """Let ticks count again, from now on: those of the pause are not made up for."""

    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class RemoveSchedule:
    """Let it go; the jobs that it admitted are not touched."""

    by: str = field(default="", validator=valid_label)


ScheduleCommand = SetSchedule | PauseSchedule | ResumeSchedule | RemoveSchedule
