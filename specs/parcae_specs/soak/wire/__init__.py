"""Kills of the server, of remote workers and of the receiver of webhooks: nothing may be lost."""
