"""What the hosts that take a domain's mail say about it."""

from gateway.rules.addresses import parent_among
from gateway.rules.domains import Domains
from gateway.rules.doubts import Doubt, DoubtCode

# Half of all domains have their mail there, good ones and bad ones: the host says nothing.
_BIG = frozenset(
    {
        *("google.com", "googlemail.com", "outlook.com", "office365.us", "mx.microsoft"),
        *("outlook.cn", "icloud.com", "yahoodns.net", "protonmail.ch", "messagingengine.com"),
        *(
            "mailbox.org",
            "zoho.com",
            "zoho.eu",
            "zoho.in",
            "zoho.com.au",
            "zoho.jp",
            "zohomail.com",
        ),
        *(
            "yandex.net",
            "yandex.ru",
            "mail.ru",
            "gmx.net",
            "web.de",
            "kundenserver.de",
            "ionos.com",
        ),
        *("ionos.de", "ovh.net", "gandi.net", "hostinger.com", "mimecast.com", "pphosted.com"),
        *("secureserver.net", "posteo.de", "tutanota.de", "migadu.com", "purelymail.com"),
        *("amazonaws.com", "cloudflare.net", "registrar-servers.com", "privateemail.com"),
        *("barracudanetworks.com", "rackspace.com", "emailsrvr.com", "your-server.de"),
    }
)


def mail_doubt(domain: str, hosts: tuple[str, ...], domains: Domains) -> Doubt | None:
    """What is doubtful about a domain whose mail these hosts take; none of them: nobody does."""
    if not hosts:
        return Doubt(DoubtCode.NO_MAIL_SERVER, domain)
    if any(parent_among(host, _BIG) for host in hosts) or domains.throwaway == "accept":
        return None
    thrown = (domains.thrown_away(host, domains.throwaway) for host in hosts)
    listed = next(filter(None, thrown), None)
    return None if listed is None else Doubt(DoubtCode.THROWAWAY_MAIL_SERVER, listed)
