"""Text of a stored value as it is shown: known secrets masked, and then no longer than a line has."""

from __future__ import annotations

from ..secrets.masking import mask_text

LONGEST = 200
_LOOKED_AT = 100_000  # characters: nobody sees what is behind them


def short(text: str, width: int = LONGEST) -> str:
    """Return a text that is no wider than told; masked before it is cut, or half of a secret would be left."""
    text = mask_text(text[: width + _LOOKED_AT])
    return text if len(text) <= width else f"{text[: width - 3]}..."
