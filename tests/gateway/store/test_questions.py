"""A command that waits for a yes is carried out once, by whoever says it first."""

from datetime import UTC, datetime, timedelta

from gateway.store import offers, questions
from gateway.store.audit import Author

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORDS = ("ban", "10.0.0.0/8", "--yes")


async def test_a_question_is_settled_once(database):
    number = await database.write(lambda c: questions.ask(c, Author("@a:x"), WORDS, NOW))

    def settle(event_id, at=NOW):
        return lambda c: questions.settle(c, number, Author("@a:x", event_id), at)

    assert await database.write(settle("$1", NOW + questions.LIFE)) is None
    found = await database.write(settle("$1"))
    assert (found.who, found.words) == ("@a:x", WORDS)
    assert await database.write(settle("$2")) is None
    assert await database.write(settle("$1")) == found  # the same answer, after a crash
    other = Author("@a:x", "$3")
    assert await database.write(lambda c: questions.settle(c, number + 1, other, NOW)) is None


async def test_a_question_is_settled_once_from_the_terminal_too(database):
    operator = Author("terminal:eva")
    number = await database.write(lambda c: questions.ask(c, operator, WORDS, NOW))

    def settle(connection):
        return questions.settle(connection, number, operator, NOW)

    assert (await database.write(settle)).words == WORDS
    assert await database.write(settle) is None


async def test_a_reaction_stands_for_its_command(database):
    offered = [("✅", "confirm 1"), ("⏸️", "pause")]
    await database.write(lambda c: offers.keep(c, "$m", offered, NOW))

    def command(event_id, key):
        return lambda c: offers.command(c, event_id, key)

    assert await database.read(command("$m", "✅")) == "confirm 1"
    assert await database.read(command("$m", "⏸")) == "pause"
    assert await database.read(command("$m", "❌")) is None
    assert await database.read(command("$other", "✅")) is None
    later = NOW + timedelta(hours=1)
    await database.write(lambda c: offers.keep(c, "$m", [("✅", "confirm 2")], later))
    assert await database.read(command("$m", "✅")) == "confirm 2"
    assert await database.read(command("$m", "⏸")) == ""  # withdrawn, which is worth an answer


async def test_an_emoji_is_the_same_in_every_variant_and_skin(database):
    await database.write(lambda c: offers.keep(c, "$m", [("👍", "approve 1")], NOW))
    for key in ("👍", "👍\ufe0f", "👍\ufe0e", "👍\U0001f3fb", "👍\U0001f3ff"):
        assert await database.read(lambda c, key=key: offers.command(c, "$m", key)) == "approve 1"
    assert await database.read(lambda c: offers.command(c, "$m", "👎")) is None


async def test_an_event_that_is_handed_in_again_asks_nothing_new(database):
    author = Author("@a:x", "$asked")
    number = await database.write(lambda c: questions.ask(c, author, WORDS, NOW))
    assert await database.write(lambda c: questions.ask(c, author, WORDS, NOW)) == number
    other = Author("@a:x", "$other")
    assert await database.write(lambda c: questions.ask(c, other, WORDS, NOW)) != number
