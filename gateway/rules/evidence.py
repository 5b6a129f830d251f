"""Evidence: what comes along with a form and speaks for a person, or against one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """`work` is a solved challenge, `token` that of the page; `bait` is what was written into the
    field that people do not see. All of it comes from outside, unread."""

    work: str = ""
    token: str = ""
    bait: str = ""


NO_EVIDENCE = Evidence()
