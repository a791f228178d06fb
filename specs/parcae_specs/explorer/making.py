"""Works out the moves of one actor in one surrounding, once for all worlds that have both."""

from __future__ import annotations

from parcae_specs.explorer.host import Host
from parcae_specs.explorer.moves import Group, Moves, Need, Purse
from parcae_specs.explorer.options import Option, Options
from parcae_specs.explorer.places import ALL, CELL, NETWORK, ONE, Key, Layout
from parcae_specs.explorer.tables import Tables


class Maker:
    """Makes moves out of options: numbers to add to a world."""

    def __init__(self, options: Options, host: Host, layout: Layout, purse: Purse) -> None:
        self.options = options
        self.host = host
        self.tables: Tables = options.tables
        self.layout = layout
        self.purse = purse

    def made(self, key: Key) -> Moves:
        """The moves of whoever ``key`` names."""
        groups: dict[Need, Group] = {}
        if key[0] == NETWORK:
            self._wire_moves(key, groups)
        elif key[0] < 0:
            self._host_moves(key, groups)
        else:
            self._worker_moves(key, groups)
        return tuple(groups.values())

    def _worker_moves(self, key: Key, groups: dict[Need, Group]) -> None:
        who, belief, every = key
        index, request = who & 255, f"r{who >> 8}"
        value, cells = self.tables.beliefs.values[belief], self.layout.cells(every)
        masks = self.tables.belief_masks
        for option in self.options.of_worker(index, value, cells, request):
            new = self.tables.belief(option.belief)
            delta = (new - belief) << self.layout.belief_shifts[index]
            self._add(groups, every, option, delta, masks[new] != masks[belief])

    def _host_moves(self, key: Key, groups: dict[Need, Group]) -> None:
        who, _, every = key
        cells = self.layout.cells(every)
        found: list[Option] = []
        if who == ALL:
            found += self.host.of_time(cells)
            found += self.host.of_retry(cells)
        if who <= ONE or self.layout.jobs == 1:
            found += self.host.of_host(max(ONE - who, 0), cells)
        for option in found:
            self._add(groups, every, option, 0, False)

    def _wire_moves(self, key: Key, groups: dict[Need, Group]) -> None:
        _, wire, every = key
        messages = self.tables.wires.values[wire]
        for number, message in enumerate(messages):
            option = self.options.of_wire(message, self.layout.cells(every))
            rest = self.tables.wire((*messages[:number], *messages[number + 1 :]))
            delta = (rest - wire) << self.layout.wire_shift
            self._add(groups, every, option, delta, True)

    def _add(
        self, groups: dict[Need, Group], every: int, option: Option, delta: int, touched: bool
    ) -> None:
        need = self.purse.need(option.faults)
        if need is None:
            return
        if option.broken:
            groups.setdefault(need, Group(need)).broken.append(option)
            return
        for slot, new in option.changes:
            old = every >> self.layout.cell_shifts[slot] & CELL
            delta += (new - old) << self.layout.cell_shifts[slot]
            touched = touched or self._touches(old, new)
        if delta == 0 and option.message is None:
            return
        delta -= self.purse.cost(option.faults)
        group = groups.setdefault(need, Group(need))
        if touched or option.message is not None:
            group.slow.append((delta, option.message, touched))
            group.options[1].append(option)
        else:
            group.plain.append(delta)
            group.options[0].append(option)

    def _touches(self, old: int, new: int) -> bool:
        """Whether a change of a cell can change which names are known."""
        tables = self.tables
        masks, requests = tables.cell_masks, tables.request_masks
        same = masks[old] == masks[new] and requests[old] == requests[new]
        return not same or (self.layout.jobs > 1 and self.place(old) != self.place(new))

    def place(self, cell: int) -> int:
        """The place in line of the job in a cell; 0: none."""
        stored = self.tables.cells.values[cell].stored
        return 0 if stored is None else int(stored.job.place)
