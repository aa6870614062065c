"""Small tables for notebooks: escaped HTML without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group

_RIGHT, _LEFT = "text-align: right", "text-align: left"


def html_table(
    title: str, rows: Sequence[Sequence[str]], header: Sequence[str] = (), note: str = "", *, right_from: int = 1
) -> str:
    """A table as an HTML fragment; all text is escaped.

    Args:
        title: over the table.
        rows: cells, as text.
        header: one cell a column, or none.
        note: below the table; it may have several lines.
        right_from: column from which on cells stand at the right, as numbers do.
    """

    def line(cells: Sequence[str], tag: str) -> str:
        shown = (
            f'<{tag} style="{_RIGHT if column >= right_from else _LEFT}">{_text(cell)}</{tag}>'
            for column, cell in enumerate(cells)
        )
        return f"<tr>{''.join(shown)}</tr>"

    head = f"<thead>{line(header, 'th')}</thead>" if header else ""
    body = "".join(line(row, "td") for row in rows)
    below = f"<p><small>{_text(note)}</small></p>" if note else ""
    return f"<div><p><strong>{_text(title)}</strong></p><table>{head}<tbody>{body}</tbody></table>{below}</div>"


def html_of(group: Group) -> str:
    """What a terminal shows as title, table and note, as an HTML fragment.

    Args:
        group: of a text, a table and a text, as `evoprune.report` makes them.
    """
    from rich.table import Table  # noqa: PLC0415

    title, table, note = group.renderables
    if not isinstance(table, Table):
        raise TypeError(f"the second part of a report is a table, not {type(table).__name__}")
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    header = [str(column.header) for column in table.columns]
    return html_table(str(title).strip(), list(zip(*columns, strict=True)), header, str(note).strip())


def _text(text: str) -> str:
    """The text, escaped, with its line breaks."""
    return escape(text, quote=True).replace("\n", "<br>")
