"""Moderators see how the tokens stand and replace them after a leak."""


async def test_the_token_itself_is_shown_only_on_demand(typed, desk, tmp_path):
    assert (await typed("token")).plain() == "No shared token is in force yet."
    await desk.rotation.look()
    value = (tmp_path / "token").read_text().strip()
    assert value not in (await typed("token")).plain()
    assert "works until 2026-11-25 00:00 UTC" in (await typed("token")).plain()
    assert value in (await typed("token --show")).plain()


async def test_a_forced_rotation_says_what_it_did(typed, desk, tmp_path):
    await desk.rotation.look()
    before = (tmp_path / "token").read_text()
    answer = await typed("token rotate")
    assert answer.plain() == "1 outstanding, 1 out of force now, 0 mailed anew."
    assert (tmp_path / "token").read_text() != before


async def test_a_homeserver_that_is_away_is_said(typed, desk, tmp_path):
    await desk.rotation.look()
    (tmp_path / "token").unlink()
    (tmp_path / "token").mkdir()
    answer = await typed("token rotate")
    assert not answer.ok
    assert "could not be taken from the homeserver yet" in answer.plain()


async def test_a_fresh_token_that_is_not_in_force_is_no_success(typed, tmp_path):
    (tmp_path / "token").mkdir()
    answer = await typed("token rotate")
    assert not answer.ok
    assert "could not be put into force yet" in answer.plain()
