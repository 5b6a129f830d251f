"""The pages that applicants see, from Jinja2 templates that operators may override one by one.

A template of the operator's may build on ours: `{% extends "porter/layout.html" %}`. The pages
have no style of their own, nothing from elsewhere, and no script but that of the human check: the
browser is told to refuse it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    select_autoescape,
)

from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.web.form import Form
from gateway.web.wording import Complaint, opening_words, pace_words, problem_words
from gateway.words import speech

_OURS = Path(__file__).parent / "templates"
_DEEPEST = 8  # levels of a path for which a missing page still finds its style
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Pages:
    """Writes the pages of one desk.

    `files` names the static files, `human_check` is its mode. Raises ValueError, with one sentence,
    for a template that is broken.
    """

    def __init__(
        self,
        *,
        server_name: str,
        files: Mapping[str, str],
        human_check: str,
        templates: Path | None = None,
    ) -> None:
        if templates is not None and not templates.is_dir():
            raise ValueError(f"The folder of page templates {templates} does not exist")
        ours = FileSystemLoader(_OURS)
        loaders: list[BaseLoader] = [ours, PrefixLoader({"porter": ours})]
        if templates is not None:
            loaders.insert(0, FileSystemLoader(templates))
        self._environment = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=select_autoescape(["html"]),
            auto_reload=False,  # what was tried at start is what is shown
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._common = {
            "server_name": server_name,
            "files": dict(files),
            "human_check": human_check,
        }
        self._asks = human_check != "off"
        self._fixed: dict[tuple[str, str, Pace], bytes] = {}
        self._problems: dict[tuple[int, str, int], bytes] = {}
        self._try_out()

    def desk(
        self,
        opening: Opening,
        now: datetime,
        language: str,
        form: Form | None = None,
        complaints: tuple[Complaint, ...] = (),
        form_token: str = "",
    ) -> bytes:
        """The front page; with `form` what was typed stays, and `complaints` stand beside it.

        `form_token` goes along with what is sent from it.
        """
        at_field: dict[str, list[str]] = {}
        for complaint in complaints:
            if complaint.field is not None:
                at_field.setdefault(complaint.field, []).append(complaint.message)
        faulty = [name for name in ("requested_username", "email") if name in at_field]
        return self._render(
            "desk.html",
            language,
            {
                "is_open": opening.is_open,
                "opening_words": opening_words(opening, now, speech(language)),
                "message": None if opening.is_open else opening.message,
                "form": form or Form(),
                "form_token": form_token,
                "complaints": complaints,
                "at_field": at_field,
                "first_faulty": faulty[0] if faulty else None,
            },
        )

    def accepted(self, language: str, is_looked_at: bool, pace: Pace) -> bytes:
        """The page after a request that was accepted, or that a person looks at first.

        The same for every address.
        """
        template = "review.html" if is_looked_at else "accepted.html"
        key = (template, language, pace)
        if key not in self._fixed:
            values = {"pace_words": pace_words(pace, speech(language))}
            self._fixed[key] = self._render(template, language, values)
        return self._fixed[key]

    def unwanted(self, language: str, failed: bool = False) -> bytes:
        """The page with the button that lets no mail come any more; `failed`: it was pressed, and
        that could not be written down."""
        return self._render("unwanted.html", language, {"root": "../", "failed": failed})

    def unwanted_done(self, language: str) -> bytes:
        """The page after the button; the same whatever it ended."""
        return self._render("unwanted_done.html", language, {"root": "../"})

    def problem(
        self, status: int, language: str, path: str = "/", reference: str | None = None
    ) -> bytes:
        """The page of an HTTP error at `path`; `reference` stands in the log beside its cause."""
        depth = min(path.count("/") - 1, _DEEPEST)
        if reference is not None:
            return self._problem(status, language, depth, reference)
        # Kept: anybody can ask for what is not there, as often as he likes.
        key = (status, language, depth)
        if key not in self._problems:
            self._problems[key] = self._problem(status, language, depth, None)
        return self._problems[key]

    def _problem(self, status: int, language: str, depth: int, reference: str | None) -> bytes:
        title, sentence = problem_words(status, speech(language))
        # The pages point to each other relatively, so that a desk below a folder needs no setting.
        values = {
            "root": "../" * depth,
            "title": title,
            "sentence": sentence,
            "reference": reference,
        }
        return self._render("problem.html", language, values)

    def _render(self, template: str, language: str, values: Mapping[str, object]) -> bytes:
        words = speech(language)
        context = {
            "root": "",
            "language": language,
            "gettext": words.gettext,
            "ngettext": words.ngettext,
            **self._common,
            **values,
        }
        return self._environment.get_template(template).render(context).encode()

    def _try_out(self) -> None:
        """Write every page once for nobody, in each of its shapes."""
        soon = _NOW + timedelta(hours=3)
        faults = (
            Complaint("name_malformed", "requested_username", "x"),
            Complaint("email_malformed", "email", "x"),
        )
        try:
            for is_open in (True, False):
                for changes_at in (None, soon):
                    self.desk(Opening(is_open, changes_at, "x"), _NOW, "en")
            self.desk(Opening(True), _NOW, "en", Form("x", "x"), faults)
            self.desk(Opening(True), _NOW, "en", Form("x", "x"), (Complaint("x", None, "x"),))
            self.accepted("en", False, Pace())
            self.accepted("en", True, Pace())
            self.unwanted("en")
            self.unwanted("en", failed=True)
            self.unwanted_done("en")
            self.problem(404, "en")
            self.problem(500, "en", "/x/y", "x")
        except (TemplateError, UnicodeDecodeError, TypeError, ArithmeticError) as error:
            place, reason = "", str(error)
            if isinstance(error, TemplateSyntaxError):
                place = f"{error.filename or error.name}, line {error.lineno}: "
            elif isinstance(error, TemplateNotFound):
                reason = f"there is no template {error.name}"
            raise ValueError(f"The page template cannot be used: {place}{reason}") from error
        if self._asks and b'name="altcha"' not in self.desk(Opening(True), _NOW, "en"):
            raise ValueError(
                "The page template cannot be used: the form in desk.html needs the line"
                " {% include 'human.html' %} (or set registration.human_check: off)"
            )
