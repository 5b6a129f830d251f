"""Throw-away domains: mailboxes for ten minutes, listed by disposable-email-domains.

A megabyte of names, read at the first question: a desk that does not ask does not carry them.
"""

from functools import cache

from gateway.rules.addresses import parent_among


def throwaway_domain(domain: str) -> str | None:
    """The listed domain that an ASCII domain is, or lies below; None for any other."""
    return parent_among(domain, _listed())


@cache
def _listed() -> frozenset[str]:
    from disposable_email_domains import blocklist

    return frozenset(blocklist)
