"""What is accepted and changes nothing is said once."""

from __future__ import annotations

_said: set[str] = set()


def note(text: str) -> None:
    """Tell the user of something that has no effect here, the first time that it is met in this process."""
    if text in _said:
        return
    _said.add(text)
    from ..pipelines.session import current_session

    session = current_session()
    if session is not None:
        session.reporter.detail(f"note: {text}")


def forget() -> None:
    """Say everything anew, as a new process would."""
    _said.clear()
