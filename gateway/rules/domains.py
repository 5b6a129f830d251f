"""Whose addresses an operator takes, by their domains. Each listed domain stands for those below
it too."""

from dataclasses import dataclass
from typing import Literal

from gateway.rules.addresses import parent_among
from gateway.rules.throwaway import throwaway_domain

Treatment = Literal["accept", "review", "refuse"]


@dataclass(frozen=True, slots=True)
class Domains:
    """`only` these may ask, unless it is empty. What is done with addresses of `throwaway` domains:
    those that the package lists and `more`, without the `good` ones."""

    only: frozenset[str] = frozenset()
    throwaway: Treatment = "accept"
    more: frozenset[str] = frozenset()
    good: frozenset[str] = frozenset()

    def are_open_to(self, domain: str) -> bool:
        """Whether somebody with an address of this domain may ask."""
        return not self.only or parent_among(domain, self.only) is not None

    def are_sure_of(self, domain: str) -> bool:
        """Whether the operator himself named the domain, so that nobody doubts it."""
        return parent_among(domain, self.good | self.only) is not None

    def thrown_away(self, domain: str, treatment: Treatment) -> str | None:
        """The throw-away domain that this one is or lies below, if it is to be treated so."""
        if treatment != self.throwaway or self.are_sure_of(domain):
            return None
        return parent_among(domain, self.more) or throwaway_domain(domain)


EVERYBODY = Domains()
