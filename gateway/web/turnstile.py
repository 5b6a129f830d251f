"""The turnstile: how many connections may stand open, in all and from one stranger."""

import resource
from collections import Counter

from gateway.rules.networks import neighbourhood, plain_address
from gateway.settings.web import Web

_OTHER_FILES = 200  # what the desk itself may have open: database, mail, homeserver, ban files


class Turnstile:
    """Counts who comes and goes. A trusted proxy comes for many, and is no stranger."""

    def __init__(self, web: Web) -> None:
        self._inside: Counter[str] = Counter()
        self.set(web)

    def set(self, web: Web) -> None:
        """From now on the limits of `web` hold; who is inside stays."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(web.connections, max(1, files - _OTHER_FILES))
        self._most_each, self._proxies = web.connections_each, web.trusted_proxies

    def enter(self, peer: str) -> bool:
        """Whether one more may come in from there; if so it is counted until it leaves."""
        if self._inside.total() >= self._most:
            return False
        peer = _place(peer)
        if self._inside[peer] >= self._most_each and not self._is_proxy(peer):
            return False
        self._inside[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """One that had come in has gone."""
        peer = _place(peer)
        self._inside[peer] -= 1
        if not self._inside[peer]:
            del self._inside[peer]

    def _is_proxy(self, place: str) -> bool:
        try:
            address = plain_address(place.partition("/")[0])
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def _place(peer: str) -> str:
    """The address, or of an IPv6 one the /64, in which one host has more than it can count."""
    try:
        address = plain_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(address) if address.version == 4 else str(neighbourhood(address))
