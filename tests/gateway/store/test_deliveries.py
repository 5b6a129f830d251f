"""The latest deliveries are read while people register, however long the outbox is."""

from sqlalchemy import event

from gateway.store import deliveries


async def test_the_latest_are_found_by_an_index_however_many_there_are(database):
    asked = []

    def note(connection, cursor, statement, parameters, context, many):
        asked.append((statement, parameters))

    event.listen(database._engine, "before_cursor_execute", note)
    assert await database.read(lambda c: deliveries.latest(c, 50)) == []
    statement, parameters = asked[-1]

    def explain(connection):
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return " ".join(str(row[3]) for row in rows)

    plan = await database.read(explain)
    assert "USING INDEX mails_due" in plan
    assert "ORDER BY" not in plan  # nothing is sorted
