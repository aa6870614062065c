"""`evoprune completion`, and the values that the shell offers behind options."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated

import typer
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

_VARIABLE = "_EVOPRUNE_COMPLETE"
"""By which a script of the shell asks the program for what may stand next."""

BACKBONES = ("tiny", "resnet50", "densenet121", "vgg19", "timm:", "onnx:")
ENCODINGS = ("features", "first", "second", "both", "connections")
RECIPES = ("fast", "paper")
PROTOCOLS = ("nested", "paper")
PRECISIONS = ("float32", "bfloat16")
ALGORITHMS = ("guided", "genetic", "nsga2", "nsga3", "spea2", "random")
OOD_SCORES = ("odin", "msp", "energy", "maxlogit", "mahalanobis", "knn")
OBJECTIVES = (
    *("accuracy", "balanced_accuracy", "f1", "loss", "calibrated_loss", "calibration"),
    *("active", "parameters", "flops", "corruption", "ood", "ood_aupr", "ood_fpr95"),
)
TRACKERS = ("tensorboard", "mlflow")
EXECUTORS = ("here", "ray", "auto", "ray://")
EXPERIMENTS = (
    *("sparsity", "pruning", "convergence", "initial-density", "classes", "cka"),
    *("fronts", "extractors", "ensembles", "guided", "paper"),
)
"""What the rooms know, written down once more: the shell does not wait for torch to be loaded."""


class Shell(str, Enum):
    """Shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def one_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Completes a value to one of these names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def some_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Completes the last of several values with commas between, to a name that is not among the others."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in given]

    return complete


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script for completion with the Tab key.

    Commands, options and the values of options are then completed.

    \u0008
    Examples (once, then open a new shell):
      evoprune completion bash >> ~/.bash_completion
      evoprune completion zsh > ~/.zfunc/_evoprune
      evoprune completion fish > ~/.config/fish/completions/evoprune.fish

    For zsh, ~/.zshrc needs this line: fpath+=~/.zfunc; autoload -Uz compinit; compinit
    """
    typer.echo(get_completion_script(prog_name="evoprune", complete_var=_VARIABLE, shell=shell.value))


def prepare_completion() -> None:
    """Make the answers to a shell's questions available, where it is a shell that asks."""
    if _VARIABLE in os.environ:
        completion_init()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(completion)
