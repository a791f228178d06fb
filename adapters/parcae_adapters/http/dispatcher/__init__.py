"""The dispatcher: takes what is owed to subscribers, sends it signed, and says what came of it.

It chooses no transition: what is due, what an answer means and when to try again the kernel says.
"""

from parcae_adapters.http.dispatcher.dispatcher import Dispatcher
from parcae_adapters.http.dispatcher.settings import Keep, Settings

__all__ = ["Dispatcher", "Keep", "Settings"]
