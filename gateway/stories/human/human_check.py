"""The human check: what is asked of an applicant's browser, and what an answer is worth.

A solved challenge (`work`) is the better proof; where no script ran, the page's own token (`form`)
counts, with tighter limits. Either counts once, and is used up by the transaction that decides on
its request.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.rules.effort import Strain, most_tries, usual, worth_counting
from gateway.rules.evidence import Evidence
from gateway.rules.networks import IPAddress, neighbourhood
from gateway.rules.screening import Code, Refusal
from gateway.settings.registration import Registration
from gateway.store import lookback, spent
from gateway.store.database import Database
from gateway.store.keyring import Keyring
from gateway.store.strain import strain
from gateway.stories.human import challenge, form_token
from gateway.stories.human.challenge import Seal
from gateway.stories.human.proof import Expired, Kind, Proof, TooFast

_NEEDS_SCRIPT = (
    "This desk takes requests from its own page only, with JavaScript switched on: the page has to"
    " solve a challenge and send the solution along (in the field altcha)."
)
_NEEDS_PAGE = (
    "This request did not come from the desk's own page. Please use the form there: it sends along"
    " a solved challenge (in the field altcha) or the page's own token (form_token)."
)


@dataclass(frozen=True, slots=True)
class Examined:
    """What evidence is worth before the database is asked: proofs, the best first; or why none."""

    proofs: tuple[Proof, ...] = ()
    fault: Refusal | None = None


class HumanCheck:
    """The check of one desk. `mode` is off, light or strict."""

    def __init__(
        self, rules: Registration, database: Database, keyring: Keyring, clock: Clock = utc_now
    ) -> None:
        self.mode = rules.human_check
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._unproven = rules.limits.unproven
        self._usual = usual(rules.limits.all)

    async def challenge(self, ip: IPAddress) -> dict[str, Any]:
        """Something for a browser at `ip` to solve."""
        now, network = self._clock(), str(neighbourhood(ip))
        most = worth_counting(self._usual)
        try:
            weight = await self._database.read(lambda c: strain(c, network, now, most))
        except SQLAlchemyError:
            # Without a database no request is taken either, and that is told.
            weight = Strain(0, 0)
        return challenge.make(most_tries(weight, self._usual), self._seals()[0], now)

    def form_token(self) -> str:
        """The token of a page that is handed out now; empty where none counts."""
        return form_token.make(self._keyring, self._clock()) if self.mode == "light" else ""

    def examine(self, evidence: Evidence) -> Examined:
        """What came along with a form, as far as it can be read without the database."""
        if self.mode == "off":
            return Examined()
        proofs, faults = [], []
        for kind, text in self._offered(evidence):
            try:
                proofs.append(self._read(kind, text))
            except Expired as error:
                faults.append(Refusal(Code.PROOF_EXPIRED, f"{kind}: {error}"))
            except TooFast as error:
                faults.append(Refusal(Code.TOO_FAST, f"{kind}: {error}"))
            except ValueError as error:
                faults.append(self._lacking(f"{kind}: {error}"))
        if proofs:
            return Examined(tuple(proofs))
        return Examined(fault=faults[0] if faults else self._lacking("nothing came along"))

    def use(
        self, connection: Connection, examined: Examined, network: str, now: datetime
    ) -> Kind | Refusal | None:
        """Use the best proof up that was not used before: its kind, or why none counts.

        None where nothing is asked.
        """
        if examined.fault is not None:
            return examined.fault
        for proof in examined.proofs:
            if spent.spend(connection, proof.id, proof.until):
                too_many = self._too_many(connection, proof.kind, network, now)
                return proof.kind if too_many is None else too_many
        if examined.proofs:
            return Refusal(Code.PROOF_USED, f"{examined.proofs[0].kind}: it was used before")
        return None

    def _too_many(
        self, connection: Connection, kind: Kind, network: str, now: datetime
    ) -> Refusal | None:
        if kind is Kind.WORK or self._unproven is None:
            return None
        room = lookback.room_for_unproven(connection, network, now, self._unproven)
        if room is None:
            return None
        detail = f"from {network} without a proof of work, the limit is {self._unproven}"
        return Refusal(Code.TOO_MANY_UNPROVEN, detail, "", room - now)

    def _offered(self, evidence: Evidence) -> list[tuple[Kind, str]]:
        offered = [(Kind.WORK, evidence.work)]
        if self.mode == "light":
            offered.append((Kind.FORM, evidence.token))
        return [(kind, text) for kind, text in offered if text]

    def _read(self, kind: Kind, text: str) -> Proof:
        if kind is Kind.WORK:
            return challenge.read(text, self._seals(), self._clock())
        return form_token.read(text, self._keyring, self._clock())

    def _seals(self) -> list[Seal]:
        questions = self._keyring.secrets("challenge")
        answers = self._keyring.secrets("solution")
        return [Seal(*pair) for pair in zip(questions, answers, strict=True)]

    def _lacking(self, detail: str) -> Refusal:
        words = _NEEDS_SCRIPT if self.mode == "strict" else _NEEDS_PAGE
        return Refusal(Code.NOT_PROVEN, detail, words)
