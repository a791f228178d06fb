"""A process of a test: ``python -m parcae_specs.contracts.child ROLE STORE FOLDER …``.

It prints lines, and waits for one where it must begin together with others.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from parcae.values import WorkerId
from parcae_specs.drive import Driver, spec
from parcae_specs.subject import Subject, found, opened


async def _submit(subject: Subject, folder: Path) -> None:
    driver = Driver(await opened(subject, folder))

    async def many() -> None:
        while True:
            job = await driver.submit()
            # One write, so that a line is there whole or not at all.
            os.write(1, f"{job}\n".encode())

    await asyncio.gather(*(many() for _ in range(3)))


async def _race(subject: Subject, folder: Path, name: str) -> None:
    driver = Driver(await opened(subject, folder))
    os.write(1, b"ready\n")
    sys.stdin.readline()
    granted = await driver.claim(f"of {name}", WorkerId(f"w{name}"))
    job = await driver.submit(spec(kind="of nobody"), key="one")
    await driver.store.close()
    said = {"tokens": [one.lease.token for one in granted], "job": job}
    os.write(1, f"{json.dumps(said)}\n".encode())


ROLES = {"submit": _submit, "race": _race}

if __name__ == "__main__":
    _role, _name, _folder, *_rest = sys.argv[1:]
    asyncio.run(ROLES[_role](found(_name), Path(_folder), *_rest))  # type: ignore[operator]
