"""The wire: the HTTP interface, and what speaks HTTP to it. The only importer of aiohttp."""
