"""Network addresses of cameras, shown without their password."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s/@:]*):[^\s/]*@", re.IGNORECASE)


def masked(text: str) -> str:
    """Return `text` with the password of every ``scheme://user:password@host`` as ``***``."""
    return _PASSWORD.sub(r"\g<head>:***@", text)
