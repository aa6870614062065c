"""Text that comes from elsewhere (paths, class names), made safe to show."""

from __future__ import annotations

import re

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, direction overrides and undecodable bytes."""

_MEANING = re.compile(r"([\\`*_{}\[\]<>|#])")
"""Characters that mean something in Markdown."""

_FORMULA = ("=", "+", "-", "@")


def printable(text: str) -> str:
    r"""The text with everything that would act on a terminal written as an escape, such as `\x1b`."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def csv_cell(value: object) -> object:
    """A cell of a CSV file: of a text from elsewhere, what neither acts on a terminal nor is a spreadsheet's formula.

    A spreadsheet computes what begins with one of `= + - @`, and may fetch or start something thereby. Such a text
    gets an apostrophe in front, which spreadsheets do not show; numbers stay as they are.
    """
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if shown[:1] in _FORMULA and not _is_number(shown) else shown


def markdown(text: str) -> str:
    """Text from elsewhere without a meaning in Markdown or HTML, on one line."""
    return _MEANING.sub(r"\\\1", printable(" ".join(text.split()))).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
