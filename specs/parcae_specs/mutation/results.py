"""What mutmut has left behind: of each mutant, whether it was found out, and what it is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

SURVIVED, UNTESTED, TOO_SLOW = 0, (5, 33), (24, -24, 36, 152, 255)
"""How mutmut writes down that the tests passed, that none comes by, that they did not end."""

DEAD = ("killed", "too slow")

SHOW = r"""
import sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
for name in sys.stdin.read().split():
    print("\0" + name)
    print(get_diff_for_mutant(name))
"""


@frozen
class Mutant:
    """One change to the kernel.

    Attributes:
        name: as mutmut numbers it.
        status: how it ended.
        before: the lines that it takes away.
        after: those it puts there.
    """

    name: str
    status: str
    before: str = ""
    after: str = ""

    @property
    def module(self) -> str:
        """Where it is: ``decide.claims``."""
        return self.name.split(".x")[0].removeprefix("parcae.").removeprefix("parcae")

    @property
    def place(self) -> str:
        """The module and the function: ``decide.draft.Draft.lease_of``."""
        within = self.name.split(".x", 1)[1].split("__mutmut_")[0]
        function = within.removeprefix("_").strip("ǁ").replace("ǁ", ".")
        return f"{self.module}.{function}".removeprefix(".")

    @property
    def change(self) -> str:
        """What it does, in one line."""
        return f"{self.before} → {self.after or 'nothing'}"


def mutants(folder: Path) -> list[Mutant]:
    """All that were tried in the copy."""
    found: list[Mutant] = []
    for path in sorted((folder / "mutants" / "src").rglob("*.meta")):
        codes: Mapping[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        found += [Mutant(name, _status(code)) for name, code in codes.items()]
    return found


def _status(code: int | None) -> str:
    if code is None:
        return "not tried"
    if code == SURVIVED:
        return "survived"
    if code in TOO_SLOW:
        return "too slow"
    return "no test" if code in UNTESTED else "killed"


def told(folder: Path, python: Path, found: Sequence[Mutant]) -> Iterator[Mutant]:
    """Those mutants with what they change."""
    names = "\n".join(one.name for one in found)
    done = subprocess.run(
        [str(python), "-c", SHOW],
        input=names,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    by_name = {one.name: one for one in found}
    for part in done.stdout.split("\0")[1:]:
        name, _, diff = part.partition("\n")
        if name not in by_name:
            continue
        lines = diff.splitlines()
        before = " ".join(line[1:].strip() for line in lines if _changed(line, "-"))
        after = " ".join(line[1:].strip() for line in lines if _changed(line, "+"))
        yield Mutant(name, by_name[name].status, before, after)


def _changed(line: str, sign: str) -> bool:
    return line.startswith(sign) and not line.startswith(sign * 3)
