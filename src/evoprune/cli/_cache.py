"""`evoprune cache list|verify|clear`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evoprune.cli._console import OUT, count, print_json, tell
from evoprune.errors import StorageError

if TYPE_CHECKING:
    from evoprune.features import CacheEntry

cache = typer.Typer(help="The cache of features.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@cache.command("list")
def list_cache(json: AsJson = False) -> None:
    """List what is cached.

    \u0008
    Example:
      evoprune cache list
    """
    from evoprune.features import list_entries

    _show(list_entries(), as_json=json)


@cache.command()
def verify(json: AsJson = False) -> None:
    """Check every entry against its checksum.

    \u0008
    Example:
      evoprune cache verify --json
    """
    from evoprune.features import verify as verify_entries

    entries = verify_entries()
    _show(entries, as_json=json)
    damaged = [entry for entry in entries if entry.state == "damaged"]
    if damaged:
        raise StorageError(
            f"damaged: {', '.join(str(e.path) for e in damaged)}; what is damaged is made anew when next needed"
        )


@cache.command()
def clear() -> None:
    """Delete all cached features.

    \u0008
    Example:
      evoprune cache clear
    """
    from evoprune.features import clear as clear_entries

    removed = clear_entries()
    freed = sum(entry.bytes for entry in removed) / 1e6
    tell(f"{count(len(removed), 'file')} removed, {freed:.1f} MB freed.")


def _show(entries: Sequence[CacheEntry], *, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from evoprune.features import cache_folder
    from evoprune.report import printable

    if as_json:
        print_json(
            [
                {
                    "path": str(e.path),
                    "backbone": e.backbone,
                    "images": e.images,
                    "width": e.width,
                    "bytes": e.bytes,
                    "date": e.date.isoformat(timespec="seconds"),
                    "state": e.state,
                }
                for e in entries
            ]
        )
        return
    tell(f"{count(len(entries), 'file')} in {cache_folder()}")
    if not entries:
        return
    table = Table(pad_edge=False, box=None)
    table.add_column("backbone", overflow="fold")
    for column in ("images", "width", "MB"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("date", "state"):
        table.add_column(column, no_wrap=True)
    for e in entries:
        table.add_row(
            Text(printable(e.backbone) or "?"),
            f"{e.images:,}",
            str(e.width),
            f"{e.bytes / 1e6:.1f}",
            f"{e.date:%Y-%m-%d %H:%M}",
            e.state,
        )
    OUT.print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(cache, name="cache")
