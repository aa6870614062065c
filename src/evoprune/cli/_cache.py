"""`evoprune cache list|verify|clear`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evoprune.cli._console import OUT, print_json
from evoprune.errors import StorageError

if TYPE_CHECKING:
    from evoprune.features import CacheEntry

cache = typer.Typer(help="The cache of features.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@cache.command("list")
def list_cache(json: AsJson = False) -> None:
    """List what is cached."""
    from evoprune.features import list_entries

    _show(list_entries(), as_json=json)


@cache.command()
def verify(json: AsJson = False) -> None:
    """Check every entry against its checksum."""
    from evoprune.features import verify as verify_entries

    entries = verify_entries()
    _show(entries, as_json=json)
    damaged = [entry for entry in entries if entry.state == "damaged"]
    if damaged:
        raise StorageError(
            f"{len(damaged)} cache file(s) are damaged ({', '.join(str(e.path) for e in damaged)}); "
            "they are made anew when next needed, or delete them"
        )


@cache.command()
def clear() -> None:
    """Delete all cached features."""
    from evoprune.features import clear as clear_entries

    removed = clear_entries()
    freed = sum(entry.bytes for entry in removed) / 1e6
    OUT.print(f"{len(removed)} file(s) removed, {freed:.1f} MB freed.", markup=False)


def _show(entries: Sequence[CacheEntry], *, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from evoprune.features import cache_folder

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
    OUT.print(f"{len(entries)} file(s) in {cache_folder()}", markup=False, soft_wrap=True)
    if not entries:
        return
    table = Table(pad_edge=False, box=None)
    table.add_column("backbone", overflow="fold")
    for column in ("images", "width", "MB"):
        table.add_column(column, justify="right")
    table.add_column("date")
    table.add_column("state")
    for e in entries:
        table.add_row(
            Text(e.backbone),
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
