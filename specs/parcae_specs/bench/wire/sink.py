"""A receiver that takes everything: what webhooks are sent to while their sender is measured."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web


async def serve() -> None:
    """Serve until somebody kills us; the port is told on standard output."""

    async def handler(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=204)

    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
