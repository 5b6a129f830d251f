"""The admin room of a homeserver of the conduwuit family, as the edges see it.

Commands are messages there, and the server replies to each. The bot gives them; whoever wants one
carried out places an order, and finds the reply under the key that names his wish.
"""

from typing import Protocol

SERVER_LOCALPART = "conduit"  # of the user in whose name all these servers speak


class AdminRoom(Protocol):
    """Where orders are placed. All raise HomeserverError when they cannot be."""

    async def order(self, key: str, command: str) -> str:
        """The server's reply to `command`, which is given once for a key, however often it is
        asked for. Raises NotYet while there is none."""

    async def discard(self, key: str) -> str | None:
        """Let the order of a key stand for it no more, unless it has made a token: the next one is
        a new one. A token that a late reply tells of is taken back.

        Returns the reply that it had, empty when none came yet, None when there was no order.
        """

    async def check(self) -> None:
        """Find out whether orders are carried out."""
