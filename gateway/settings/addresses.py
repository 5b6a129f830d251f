"""Which e-mail addresses may ask."""

from gateway.rules.domains import Domains, Treatment
from gateway.settings.section import Section
from gateway.settings.values import DomainName, NameServer


class Addresses(Section):
    """Which e-mail addresses may ask. A domain stands for those below it too."""

    only_domains: frozenset[DomainName] = frozenset()
    throwaway: Treatment = "accept"
    throwaway_domains: frozenset[DomainName] = frozenset()
    good_domains: frozenset[DomainName] = frozenset()
    mx: bool = True
    resolver: NameServer | None = None

    @property
    def domains(self) -> Domains:
        """The same, as the rules read it."""
        return Domains(self.only_domains, self.throwaway, self.throwaway_domains, self.good_domains)
