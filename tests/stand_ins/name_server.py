"""A name server on loopback that knows what it was told, and answers as RFC 1035 and 2308 say."""

import asyncio

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

_SOA = "ns.test. root.test. 1 3600 600 86400 3600"


class NameServer(asyncio.DatagramProtocol):
    """Takes plain questions for one name over UDP, and refuses anything else.

    `moods` says for a name that it is "broken" (SERVFAIL) or "silent" (no answer comes).
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.moods: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.has_soa = True
        self.ttl = 3600
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", self.port)
        self._line, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        self.port = self._line.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        """Listen no more. Raises AssertionError for what was asked wrongly meanwhile."""
        self._line.close()
        await asyncio.sleep(0)
        assert not self.faults

    def tell(self, name: str, kind: str, *values: str) -> None:
        """Know these records of a name."""
        self.records[name, kind] = list(values)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        asked = question.question
        is_plain = question.opcode() == dns.opcode.QUERY and not question.flags & dns.flags.QR
        if not (is_plain and question.flags & dns.flags.RD and len(asked) == 1):
            self.faults.append(question.to_text())
            return
        name = asked[0].name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(asked[0].rdtype)
        self.asked.append((name, kind))
        mood = self.moods.get(name)
        if mood != "silent":
            answer = self._answer(question, name, kind, mood)
            self._line.sendto(answer.to_wire(), address)

    def _answer(
        self, question: dns.message.Message, name: str, kind: str, mood: str | None
    ) -> dns.message.Message:
        answer = dns.message.make_response(question, recursion_available=True)
        values = self.records.get((name, kind), [])
        if mood == "broken":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            rrset = dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *values)
            answer.answer.append(rrset)
        else:
            if not any(known == name for known, _ in self.records):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            if self.has_soa:
                zone = name.rpartition(".")[2]
                soa = dns.rrset.from_text(f"{zone}.", 3600, "IN", "SOA", _SOA)
                answer.authority.append(soa)
        return answer
