"""Pages made from the program while the documentation is built: every command, and every public name.

They are written into `reference/` and ignored by git, so that they can be neither edited nor out of date. Docstrings
are read as they are written in the source, where one backtick on each side means code.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx

import evoprune
from evoprune.baselines import BASELINES
from evoprune.cli._app import app as program
from evoprune.experiments import EXPERIMENTS
from evoprune.experiments._published import PRUNING as PUBLISHED
from evoprune.objectives import OBJECTIVES, OOD_SCORES, Objective
from evoprune.training import RECIPES

ROOMS = (
    "data",
    "backbones",
    "features",
    "heads",
    "training",
    "objectives",
    "problem",
    "guidance",
    "executors",
    "search",
    "study",
    "model",
    "baselines",
    "analysis",
    "explanation",
    "report",
    "workflow",
    "trackers",
    "experiments",
    "page",
    "sklearn",
    "errors",
)
"""In the order in which data flows; rooms that are not named here come last."""

_PROGRAM = "evoprune"


def setup(app: Sphinx) -> dict[str, Any]:
    """Have the pages written before sources are read."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-skip-member", _skipped)
    app.connect("autodoc-process-signature", _short_types)
    # One before and one after napoleon, which takes the words before a colon in a property's first line for its type.
    app.connect("autodoc-process-docstring", _double_backticks, priority=400)
    app.connect("autodoc-process-docstring", _without_type, priority=600)
    return {"version": evoprune.__version__, "parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    pages = {
        "commands.md": "\n".join(_commands()),
        "names.md": "\n".join(_names()),
        "published.txt": "\n".join(_published()),
        **dict(_api()),
    }
    for name, text in pages.items():
        path = folder / name
        # A page that has not changed is not read again.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in set(folder.glob("*.md")) - {folder / name for name in pages}:
        path.unlink()


def _skipped(app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:
    """Leave out what scikit-learn adds to every estimator; its text refers to pages of scikit-learn's own."""
    del app, what, thing, options
    return True if re.fullmatch(r"[sg]et_\w*(request|routing)", name) else (skip or None)


def _double_backticks(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Code in the docstrings of this package, in the words of reStructuredText."""
    del app, what, name, thing, options
    lines[:] = [re.sub(r"(?<![`:])`([^`]+)`(?!`)", r"``\1``", line) for line in lines]


def _without_type(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Put the words before a colon back into the first line of a property."""
    del app, name, thing, options
    types = [line for line in lines if line.startswith(":type:")]
    if what == "property" and types:
        lines[:] = [line for line in lines if line not in types]
        lines[0] = f"{types[0].removeprefix(':type:').strip()}: {lines[0]}"


def _short_types(
    app: Sphinx, what: str, name: str, thing: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Names of arrays as the source has them, also inside of other types."""
    del app, what, name, thing, options

    def short(text: str | None) -> str | None:
        return text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)

    return short(signature), short(returns)


def _commands() -> Iterator[str]:
    """The page of all commands."""
    root = typer.main.get_command(program)
    yield f"# Commands\n\n{root.help}\n"
    yield f"Options of `{_PROGRAM}` itself; `--quiet` and `--debug` may also stand behind a command:\n"
    yield from _parameters(root, _PROGRAM)
    for name, command in sorted(root.commands.items()):  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield f"\n## {_PROGRAM} {name}\n"
        yield from _described(command, f"{_PROGRAM} {name}", with_usage=inner is None)
        for below, subcommand in sorted((inner or {}).items()):
            yield f"\n### {_PROGRAM} {name} {below}\n"
            yield from _described(subcommand, f"{_PROGRAM} {name} {below}", with_usage=True)


def _described(command: Any, path: str, *, with_usage: bool) -> Iterator[str]:
    """What a command does, how it is called, and its examples."""
    if with_usage:
        context = command.make_context(path, [], resilient_parsing=True)
        yield f"```text\n{' '.join([path, *command.collect_usage_pieces(context)])}\n```\n"
    for text in filter(None, (command.help, command.epilog)):
        yield from _paragraphs(inspect.cleandoc(text))
    yield from _parameters(command, path)


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of a help text; those whose lines are kept as they are become blocks of code."""
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip() != "\b"]
        if len(lines) == len(paragraph.splitlines()):
            yield f"{_plain(' '.join(lines))}\n"
            continue
        said = [line for line in lines if not line.startswith(" ")]
        code = [line.strip() for line in lines if line.startswith(" ")]
        yield f"{_plain(' '.join(said))}\n"
        yield "```sh\n{}\n```\n".format("\n".join(code))


def _parameters(command: Any, path: str) -> Iterator[str]:
    """A table of arguments and options."""
    context = command.make_context(path, [], resilient_parsing=True)
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [(names, said) for names, said in filter(None, records) if "--help" not in names]
    if rows:
        yield "| argument or option | meaning |\n|---|---|"
        yield from (f"| {_code(names)} | {_plain(said)} |" for names, said in rows)


def _code(text: str) -> str:
    # Three dots say already that there may be several.
    return "`{}`".format(re.sub(r" <list\[\w+\]>", "", text)).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text of a terminal as Markdown: nothing in it is markup but backticks."""
    pieces = text.split("`")
    for number in range(0, len(pieces), 2):
        for sign in "\\*_<>[]|":
            pieces[number] = pieces[number].replace(sign, f"\\{sign}")
        # Two dashes in a text would become a longer one.
        pieces[number] = re.sub(r"(?<![\w-])(--[a-z][\w-]*)", r"`\1`", pieces[number])
    return "`".join(pieces)


def _api() -> Iterator[tuple[str, str]]:
    """A page for each room, and one that lists them: name and text."""
    package = Path(evoprune.__file__).parent
    there = {path.parent.name for path in package.glob("*/__init__.py")} | {"errors"}
    rooms = [*(room for room in ROOMS if room in there), *sorted(there - {*ROOMS, "cli"})]
    lines = ["# Python\n", "```python\nimport evoprune as ep\n```\n", "| name | what it is |\n|---|---|"]
    for name, home in sorted(evoprune._HOMES.items(), key=lambda item: item[0].lower()):
        said = _first_line(getattr(evoprune, name))
        lines.append(f"| [`ep.{name}`](#evoprune.{home}.{name}) | {_plain(said)} |")
    lines.append("\nThe rooms of the package, in the order in which data flows:\n")
    lines.append("| room | what it holds |\n|---|---|")
    for room in rooms:
        module = importlib.import_module(f"evoprune.{room}")
        lines.append(f"| [`evoprune.{room}`]({room}.md) | {_plain(_first_line(module))} |")
        # autodoc documents what __all__ names, whichever private module it comes from.
        yield (
            f"{room}.md",
            f"# evoprune.{room}\n\n```{{eval-rst}}\n.. automodule:: evoprune.{room}\n   :members:\n```\n",
        )
    toctree = "\n".join(("```{toctree}\n:hidden:\n", *rooms, "```\n"))
    yield "api.md", "\n".join([*lines, "", toctree])


def _names() -> Iterator[str]:
    """The page of the names that options take, from the tables in which they are looked up."""
    yield "# Names\n\nWhat options take by name; the tables are made from the program itself."
    yield "Encodings (`--encoding`) and searches (`--algorithm`) stand in [Concepts](../concepts.md).\n"
    yield "## Objectives\n\n`--objectives` of `evoprune run`, separated by commas; `objectives=` in Python."
    yield "Those of values are for `EvoPruneRegressor`.\n"
    yield "| name | what it is | better | between | for |\n|---|---|---|---|---|"
    for objective in OBJECTIVES.values():
        better = "higher" if objective.maximize else "lower"
        yield f"| `{objective.name}` | {objective.title} | {better} | {_range(objective)} | {_judged(objective)} |"
    yield "\n## Scores of foreign images\n\n`--ood-score`: how outlying an image is.\n"
    yield "| name | what it is | from |\n|---|---|---|"
    for score in OOD_SCORES.values():
        yield f"| `{score.name}` | {score.title} | {'the last hidden layer' if score.needs_features else 'logits'} |"
    yield "\n## Recipes\n\n`--recipe`: how a candidate is trained.\n"
    yield "| name | optimizer | rate | batch | epochs |\n|---|---|---:|---:|---:|"
    for recipe in RECIPES.values():
        up_to = "" if recipe.early_stopping is None else "up to "
        yield (
            f"| `{recipe.name}` | {recipe.optimizer} | {recipe.learning_rate:g} | {recipe.batch_size} "
            f"| {up_to}{recipe.epochs} |"
        )
    yield "\n## Experiments\n\n`evoprune experiment NAME`.\n"
    yield "| name | what it compares |\n|---|---|"
    yield from (f"| `{name}` | {_plain(found.title)} |" for name, found in EXPERIMENTS.items())
    yield "\n## Methods\n\n`--methods` of `evoprune experiment`, beside the searches `guided`, `genetic`, `nsga2`.\n"
    yield "| name | what it is | prunes | source |\n|---|---|---|---|"
    for method in BASELINES.values():
        prunes = ", ".join(f"`{encoding}`" for encoding in method.encodings)
        yield f"| `{method.name}` | {_plain(method.title)} | {prunes} | {_plain(method.source)} |"


def _range(objective: Objective) -> str:
    low, high = (f"{end:g}".replace("inf", "∞").replace("-", "−") for end in (objective.lower, objective.upper))
    return f"{low} and {high}"


def _judged(objective: Objective) -> str:
    """What data an objective is for, and what it needs beside them."""
    data = {"classification": "classes", "regression": "values", None: "any"}[objective.task]
    if not objective.needs:
        return data
    return f"{data}, with `--ood`" if objective.name.startswith("ood") else f"{data}, from images"


def _published() -> Iterator[str]:
    """The papers' figures, as the experiments print them."""
    columns = list(next(iter(PUBLISHED.values())))
    yield f"| | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * len(columns)
    for name, figures in PUBLISHED.items():
        yield f"| {name} | {' | '.join(figures[column] for column in columns)} |"


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]
