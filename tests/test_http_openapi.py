"""The description is the server's: Schemathesis asks whatever it allows, and whatever it does not.

For longer::

    parcae serve --listen 127.0.0.1:8420  # prints the token
    export SCHEMATHESIS_HOOKS=tests/schemathesis_hooks.py
    schemathesis --config-file tests/schemathesis.toml run http://127.0.0.1:8420/openapi.json \
        -H "Authorization: Bearer $TOKEN" --max-examples 200 --continue-on-failure
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from http_server import TOKENS, access, served

from parcae import Engine
from parcae_adapters.http.app import make_app
from parcae_adapters.http.openapi import described
from parcae_adapters.http.problems import KINDS
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")


async def _run(url: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(CONFIG), "run", f"{url}/openapi.json", "--no-color"),
        *("-H", f"Authorization: Bearer {TOKENS[Scope.ADMIN]}"),
        *("--continue-on-failure", "--request-timeout", "5"),
        *("--phases", "fuzzing,stateful", "--max-examples", "2", "--seed", "17"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def test_given_the_live_server_when_schemathesis_asks_then_all_its_checks_pass(
    tmp_path: Path,
) -> None:
    async def main() -> tuple[int, str]:
        async with (
            Engine(MemoryStore()) as engine,
            served(make_app(engine, access=access())) as url,
        ):
            return await _run(url, tmp_path)

    code, out = asyncio.run(main())
    assert code == 0, out
    assert "passed" in out


def test_given_the_table_then_every_route_is_described_and_every_reference_leads_somewhere() -> (
    None
):
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            from parcae_adapters.http.app import TABLE

            routes = make_app(engine, access=access())[TABLE].routes
            document = described(routes, "1")
            assert document["openapi"].startswith("3.1")
            operations = [document["paths"][route.path][route.method.lower()] for route in routes]
            ids = [one["operationId"] for one in operations]
            assert len(set(ids)) == len(ids) == len(routes)
            known = document["components"]["schemas"]
            for name in set(_references(document)):
                assert name.removeprefix("#/components/schemas/") in known
            told = json.dumps(document)
            for kind in KINDS:
                assert kind.type in told or kind.status in (409, 422, 501, 503)

    asyncio.run(main())


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for inner in value.values() for one in _references(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in _references(inner)]
    return []
