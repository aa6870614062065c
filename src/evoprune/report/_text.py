"""Text that comes from elsewhere (paths, class names), made safe to show."""

from __future__ import annotations

import re

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, direction overrides and undecodable bytes."""


def printable(text: str) -> str:
    r"""The text with everything that would act on a terminal written as an escape, such as `\x1b`."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
