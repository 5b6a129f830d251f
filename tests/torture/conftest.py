"""Runs of minutes, behind `make torture`. They live in the same houses as the journeys."""

from tests.journeys.conftest import (
    open_file_house,
    open_house,
    post,
    session,
    someone,
)

__all__ = ["open_file_house", "open_house", "post", "session", "someone"]
