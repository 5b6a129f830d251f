"""Who may ask, how often, and what a person looks at first; and the tokens that they get."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.rules import limits as rules
from gateway.rules.doubts import Caution
from gateway.rules.limits import Limit
from gateway.settings.section import Section
from gateway.settings.values import Cron, Duration, HumanCheckMode, LimitList, LimitText


class Tokens(Section):
    """One token for each applicant, or one shared by all that rotates. `mode` is None for the
    first wherever the homeserver can."""

    mode: Literal["per_applicant", "shared"] | None = None
    valid_for: Duration = timedelta(days=7)
    rotation: Cron | None = "0 0 * * *"
    downtime: Duration = timedelta()
    overlap: Duration = timedelta()

    @model_validator(mode="after")
    def _one_of_both(self) -> "Tokens":
        if self.downtime and self.overlap:
            raise ValueError("downtime and overlap exclude each other: set one of them to 0")
        return self


class Limits(Section):
    """How many requests the desk hears of one kind, refused ones too; and in all, without those.

    `unproven` are those that the human check lets through without a proof of work, from one
    neighbourhood; `waiting` is how many mails may be owed before nobody may ask any more.
    """

    email: LimitList = (Limit(5, timedelta(days=1)),)
    domain: LimitList = (Limit(60, timedelta(hours=1)),)
    ipv4: LimitList = (Limit(5, timedelta(hours=1)),)
    network: LimitList = (Limit(10, timedelta(hours=1)),)
    ipv6_48: LimitList = (Limit(30, timedelta(hours=1)),)
    all: LimitList = (Limit(200, timedelta(hours=1)), Limit(1000, timedelta(days=1)))
    unproven: LimitText | None = Limit(3, timedelta(hours=1))
    waiting: Annotated[int, Field(ge=0, le=1_000_000)] | None = 5000

    @property
    def by_scope(self) -> rules.Limits:
        """The same, as the rules read them."""
        return {scope: getattr(self, scope) for scope in rules.Scope}


class Registration(Section):
    """Who may ask, and how often."""

    email_cooldown: Duration = timedelta(days=1)
    multiple_users_per_email: bool = False
    name_hold: Duration = timedelta(days=7)
    human_check: HumanCheckMode = "light"
    limits: Limits = Limits()


class Review(Section):
    """Which accepted requests wait for a moderator's decision."""

    all: bool = False
    new_networks: bool = False
    after: LimitText | None = None
    rejection_mail: bool = False

    @property
    def caution(self) -> Caution:
        """The same, as the rules read it."""
        return Caution(self.all, self.new_networks, self.after)
