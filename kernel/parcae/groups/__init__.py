"""Groups: graphs and batches of jobs that are admitted together and have one end in common.

A group counts its members' ends in the very commits that end them. Where it asks for it, one bad
end stops the rest, and what completed members did is undone, the last first, one after the other.
"""

from parcae.groups.decide import cancel, cancelled_up_to, member_ended, opened, undo_next
from parcae.groups.events import (
    GroupCancelRequested,
    GroupEnded,
    GroupEvent,
    GroupOpened,
    GroupStopped,
    MemberEnded,
    MembersCancelled,
    MemberUndone,
    UndoSubmitted,
    UndoSurveyed,
)
from parcae.groups.evolve import evolve, fold
from parcae.groups.state import (
    Ended,
    Group,
    Open,
    Stopping,
    Undoing,
    Window,
    due_at,
    group_id,
    member_id,
    window,
)

__all__ = [
    "Ended",
    "Group",
    "GroupCancelRequested",
    "GroupEnded",
    "GroupEvent",
    "GroupOpened",
    "GroupStopped",
    "MemberEnded",
    "MemberUndone",
    "MembersCancelled",
    "Open",
    "Stopping",
    "UndoSubmitted",
    "UndoSurveyed",
    "Undoing",
    "Window",
    "cancel",
    "cancelled_up_to",
    "due_at",
    "evolve",
    "fold",
    "group_id",
    "member_ended",
    "member_id",
    "opened",
    "undo_next",
    "window",
]
