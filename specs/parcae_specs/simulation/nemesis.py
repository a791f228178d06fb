"""Whoever lets processes die, stand still and come back, and sets clocks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from attrs import define

from parcae_adapters.worker import Worker
from parcae_adapters.worker.worker import PAUSE
from parcae_specs.simulation.faults import PATIENCE
from parcae_specs.simulation.processes import CLEANUP, Process

if TYPE_CHECKING:
    from parcae_specs.simulation.run import World

DRAIN_LIMIT = 1.0 + CLEANUP + 2 * PAUSE + 4 * PATIENCE
"""Seconds in which a drain of one second has ended, whatever handlers do (L6)."""


@define(eq=False)
class Post:
    """A place for a worker, which is filled again whenever it falls vacant."""

    name: str
    count: int
    process: Process
    worker: Worker
    task: asyncio.Task[None]
    draining: bool = False


class Nemesis:
    """Does harm from a thread of its own, until there is peace."""

    def __init__(self, world: World, chance: Random) -> None:
        self.workers = chance.choice((2, 2, 3))
        self._world = world
        self._chance = chance
        self._posts: list[Post] = []
        self._process = world.process("nemesis")

    def begin(self) -> None:
        """Post the workers, and begin to harm them."""
        self._posts = [self._posted(f"w{index}", 0) for index in range(self.workers)]
        self._process.main.create_task(self._harm())
        self._process.main.create_task(self._watch())

    def _posted(self, name: str, count: int) -> Post:
        full = f"{name}.{count}"
        self._world.monitor.note(f"{full} begins")
        return Post(name, count, *self._world.worker(full))

    async def _watch(self) -> None:
        """Put a new worker wherever one has died or gone."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.1, 1.0))
            for index, post in enumerate(self._posts):
                if post.process.alive and not post.task.done():
                    continue
                if post.task.done() and post.process.alive:
                    post.process.crash()  # Whatever handlers are left go with the process.
                self._posts[index] = self._posted(post.name, post.count + 1)

    async def _harm(self) -> None:
        odds = self._world.faults.odds
        while odds.calamities:
            await asyncio.sleep(self._chance.uniform(0.1, odds.every))
            what = self._chance.choice(odds.calamities)
            alive = [post for post in self._posts if post.process.alive]
            if not alive or self._world.faults.over:
                continue
            post = self._chance.choice(alive)
            self._world.monitor.note(f"{what} {post.process.name}")
            self._world.monitor.seen[f"calamity: {what}"] += 1
            self._befall(what, post)

    def _befall(self, what: str, post: Post) -> None:
        process, chance, main = post.process, self._chance, self._process.main
        if what in ("jump", "skew"):
            self._world.monitor.true_clocks = False
        if what == "crash":
            process.crash()
        elif what == "pause":
            process.pause()
            main.call_later(chance.uniform(0.2, 5), process.go_on)
        elif what == "block":
            process.block()
            main.call_later(chance.uniform(0.2, 3), process.unblock)
        elif what == "jump":
            far = chance.choice((0.5, 3.0, 10.0, 60.0))
            self._world.clock.offset += chance.uniform(-far, far)
        elif what == "skew":
            process.clock.skew = timedelta(seconds=chance.choice((-30, -1, 0, 1, 30)))
        elif not post.draining:
            self._drain(post)

    def _drain(self, post: Post) -> None:
        post.draining = True
        process = post.process
        process.main.call_soon(post.worker.stop)
        if self._chance.random() < 0.3:
            process.main.call_later(self._chance.uniform(0, 1), post.worker.stop)
        if not self._world.faults.odds.stuck:
            self._process.main.call_later(DRAIN_LIMIT, self._drained, post)

    def _drained(self, post: Post) -> None:
        if post.process.alive and not post.task.done() and not post.process.disturbed:
            self._world.monitor.breaks(f"L6: {post.process.name} does not come to its end")

    def make_peace(self) -> None:
        """Whoever stands still goes on."""
        self._world.monitor.note("peace")
        for process in self._world.processes:
            if process.alive:
                process.go_on()
