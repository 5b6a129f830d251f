"""An answer reads the same to everybody, whatever a stranger put into it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.answers import LARGEST, Answer, Block, Code, Grid, code


def test_outside_values_stand_apart_and_do_nothing() -> None:
    answer = Answer(("Banned:", ("name ", code('<a href="x">@room</a>'), " by ", code("@m:x"))))
    assert answer.plain() == 'Banned:\nname <a href="x">@room</a> by @m:x'
    assert answer.html() == (
        "Banned:<br>name <code>&lt;a href=&quot;x&quot;&gt;@room&lt;/a&gt;</code>"
        " by <code>@m:x</code>"
    )


def test_what_hides_or_turns_text_is_shown_as_an_escape() -> None:
    text = Answer((code("moc.elgoog\u202e\nx\u200b\ufeff\x1b[31m\ud800\U000e0041"),)).plain()
    assert text == r"moc.elgoog\u202e\u000ax\u200b\ufeff\u001b[31m\ud800\U000e0041"
    assert Answer(("zoë 你好 ✅",)).plain() == "zoë 你好 ✅"


def test_a_long_answer_is_folded_behind_its_first_line() -> None:
    ten = tuple(f"line {number}" for number in range(10))
    assert "<details>" not in Answer(ten).html()
    folded = Answer((*ten, "the last")).html()
    assert folded.startswith("<details><summary>line 0</summary>line 1<br>")
    assert folded.endswith("<br>the last</details>")
    assert Answer((*ten, "the last")).plain().count("\n") == 10


def test_an_answer_that_no_event_can_carry_says_how_much_is_left() -> None:
    answer = Answer(tuple(("value ", code("x" * 300)) for _ in range(500)))
    plain = answer.plain()
    shown = plain.count("\n")
    assert 20 < shown < 500
    assert plain.endswith(f"\n… {500 - shown} more lines")
    assert answer.html().endswith(f"… {500 - shown} more lines</details>")


def test_a_grid_says_the_same_in_words_and_as_a_table() -> None:
    grid = Grid(("number", "name"), (("1", code("<ann>")), ("2", ("by ", code("bob")))))
    answer = Answer(("Two found", grid, "and no more"))
    assert answer.plain() == "Two found\nnumber · name\n1 · <ann>\n2 · by bob\nand no more"
    assert answer.html() == (
        "Two found<table><thead><tr><th>number</th><th>name</th></tr></thead><tbody>"
        "<tr><td>1</td><td><code>&lt;ann&gt;</code></td></tr>"
        "<tr><td>2</td><td>by <code>bob</code></td></tr></tbody></table>and no more"
    )


def test_a_block_keeps_its_columns_and_hides_nothing() -> None:
    answer = Answer(("Here:", Block("ban <x>\u202e\n    ^^^")))
    assert answer.plain() == "Here:\nban <x>\\u202e\n    ^^^"
    assert answer.html() == "Here:<pre><code>ban &lt;x&gt;\\u202e\n    ^^^</code></pre>"


def test_a_long_grid_is_folded_too() -> None:
    grid = Grid(("number",), tuple((str(number),) for number in range(20)))
    html = Answer(("Twenty", grid)).html()
    assert html.startswith("<details><summary>Twenty</summary><table>")
    assert html.endswith("</table></details>")


def test_a_grid_that_no_event_can_carry_is_cut_between_two_rows() -> None:
    grid = Grid(("value",), tuple((code(f"{number:03}" + "x" * 300),) for number in range(200)))
    answer = Answer(("Many", grid, "the end"))
    plain, html = answer.plain(), answer.html()
    shown = html.count("<tr>") - 1
    assert 10 < shown < 200
    assert f"{shown - 1:03}xxx" in plain and f"{shown:03}xxx" not in plain
    assert plain.endswith(f"\n… {200 - shown + 1} more lines")
    assert len(plain.encode()) + len(html.encode()) < LARGEST + 200


@given(st.lists(st.text() | st.text().map(Code) | st.tuples(st.text(), st.text().map(Code))))
def test_no_value_breaks_the_frame(lines: list[str | Code | tuple[str, Code]]) -> None:
    answer = Answer(tuple(lines))
    plain, html = answer.plain(), answer.html()
    assert len(plain.encode()) + len(html.encode()) < LARGEST + 200
    assert plain.count("\n") <= len(lines)
    tags = set(re.findall(r"<[^>]*>", html))
    assert tags <= {
        "<br>",
        "<code>",
        "</code>",
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
    }
