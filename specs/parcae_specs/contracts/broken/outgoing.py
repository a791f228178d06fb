"""Stores that are wrong about what is owed to subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve as replace

from parcae.change import Change, Revision, View
from parcae.deliveries import Delivery, DeliveryDeleted, DeliveryOwed, DeliveryStarted
from parcae.outbox import complete
from parcae.ports import Committed, Deliverable, Rule, Selection
from parcae.seal import Seal
from parcae.values import JobId, StreamId
from parcae_adapters.contract import check, split
from parcae_specs.contracts.broken.base import Breakable


class TellsNobody(Breakable):
    """Stores what a rule has made, and forgets whom to tell of it."""

    def decided(self, rule: Rule, view: View) -> Sequence[Change | Revision]:
        """As the rule says, not completed."""
        return tuple(rule(view))


class OwesLater(Breakable):
    """Commits an event, and then, in another commit, what it owes."""

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Whoever comes between sees the one without the other."""
        await asyncio.sleep(0)
        self._require_open()
        view = self._view(selection)
        made = tuple(rule(view))
        changes, revisions = split(made)
        check(revisions, self._shelves.stored, self._shelves.reached)
        done = self.kept(made, self.checked(changes))
        owed = complete(view, made)[len(made) :]
        await asyncio.sleep(0)
        found = self.revised(done, [one for one in owed if isinstance(one, Revision)])
        return replace(found, changes=changes, revisions=(*revisions, *found.revisions))


class _Revises(Breakable):
    """Writes something else of what became of deliveries."""

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Write what is left of it."""
        super().revised(done, tuple(self.left(revisions)))
        return replace(done, revisions=revisions, position=self._shelves.position)

    def left(self, revisions: Iterable[Revision]) -> Iterable[Revision]:
        """All of it."""
        return revisions


class ForgetsSenders(_Revises):
    """Gives out a delivery, and does not write down to whom."""

    def left(self, revisions: Iterable[Revision]) -> Iterable[Revision]:
        """Without what begins."""
        return (one for one in revisions if not _has(one, DeliveryStarted))


class IgnoresSeal(Breakable):
    """Shows every rule an open seal."""

    def _view(self, selection: Selection) -> View:
        return replace(super()._view(selection), seal=Seal())


class LosesBodies(_Revises):
    """Keeps that something is to be sent, but not what."""

    def left(self, revisions: Iterable[Revision]) -> Iterable[Revision]:
        """Without the bytes."""
        return (replace(one, blobs=()) if _has(one, DeliveryOwed) else one for one in revisions)


class GoesWithTheJob(Breakable):
    """Deletes with a job what is owed of it, as a foreign key that cascades would."""

    def written(self, changes: Sequence[Change], written: Sequence[Change]) -> Committed:
        """And with each that is deleted, its deliveries."""
        outgoing = self._shelves.streams.outgoing
        for change in written:
            subject = StreamId(change.job_id)
            if change.job is None:
                for one in [one for one in outgoing.rows.values() if one.subject == subject]:
                    gone = Revision(stream=one.id, before=one.version, events=(), after=None)
                    outgoing.write(gone)
                    self._shelves._blobs.pop(JobId(one.id), None)
        return super().written(changes, written)


class NeverLooksInFront(Breakable):
    """Shows what is due, and never who is to be sent before."""

    def _view(self, selection: Selection) -> View:
        view = super()._view(selection)
        if not isinstance(selection, Deliverable):
            return view
        due = self._shelves.streams.outgoing.found(selection, tuple(view.subscriptions), view.now)
        return replace(view, deliveries={one.id: one for one in due})


class NewestFirst(Breakable):
    """What has come last is sent first."""

    def _view(self, selection: Selection) -> View:
        if not isinstance(selection, Deliverable):
            return super()._view(selection)
        view = super()._view(replace(selection, limit=1_000, each=1_000, room={}))
        found: dict[StreamId, Delivery] = {}
        taken: dict[str, int] = {}
        for one in reversed(tuple(view.deliveries.values())):
            room = selection.room.get(one.subscription, selection.each)
            if len(found) < selection.limit and taken.get(one.subscription, 0) < room:
                found[one.id] = one
                taken[one.subscription] = taken.get(one.subscription, 0) + 1
        return replace(view, deliveries=found)


class KeepsBytes(Breakable):
    """Deletes a delivery, but not what it sent."""

    def revised(self, done: Committed, revisions: Sequence[Revision]) -> Committed:
        """Put the bytes back that went."""
        blobs: dict[JobId, Mapping[str, Any]] = {
            JobId(one.stream): dict(self._shelves._blobs.get(JobId(one.stream), {}))
            for one in revisions
            if _has(one, DeliveryDeleted)
        }
        found = super().revised(done, revisions)
        self._shelves._blobs.update({name: dict(kept) for name, kept in blobs.items()})
        return found


class KeepsSecrets(_Revises):
    """Keeps secrets whose time is over."""

    def left(self, revisions: Iterable[Revision]) -> Iterable[Revision]:
        """Nothing is dropped."""
        return (replace(one, dropped=()) for one in revisions)


def _has(one: Revision, kind: type) -> bool:
    return any(isinstance(event, kind) for event in one.events)
