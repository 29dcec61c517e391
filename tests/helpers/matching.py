"""`pytest.raises(..., match=exactly(message))`: the whole message, no more and no less."""

import re


def exactly(message: str) -> str:
    return f"^{re.escape(message)}$"
