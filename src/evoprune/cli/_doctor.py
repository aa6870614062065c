"""`evoprune doctor`: what there is on this machine, and whether it is enough."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from evoprune._version import __version__
from evoprune.cli._console import OUT, print_json, tell
from evoprune.cli._run import AsJson
from evoprune.errors import ConfigError

NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "pymoo": "pymoo",
    "pydantic": "pydantic",
    "typer": "typer",
    "rich": "rich",
    "safetensors": "safetensors",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "pillow": "PIL",
    "matplotlib": "matplotlib",
}
"""Packages that nothing works without, and the modules they are imported as."""

EXTRAS = {"torchvision": "torchvision", "timm": "timm", "tensorboard": "tensorboard", "mlflow": "mlflow-skinny"}
"""Extras of evoprune, and the package that tells whether each is there; of MLflow its small part serves too."""

SOURCES = {
    "torchvision": "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
    "timm": "https://huggingface.co/",
}
"""Where the weights of named backbones come from, by package; nothing but whether a file is there is asked."""

_WEIGHTS = ("resnet50", "densenet121", "vgg19")
_TIMEOUT = 5.0
"""Seconds that a source of weights has to answer."""


@dataclass
class Findings:
    """What was found.

    Attributes:
        rows: what was looked at, and what was found, in words.
        problems: what keeps evoprune from being used.
    """

    rows: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, what: str, found: str) -> None:
        """Note something."""
        self.rows.append((what, found))


def doctor(
    network: Annotated[
        bool, typer.Option("--network", help="Also ask whether weights can be reached; none are downloaded.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show versions, device and cache, and whether all is well.

    The exit status is 0 if it can, and 2 if not.

    \u0008
    Examples:
      evoprune doctor
      evoprune doctor --network --json
    """
    found = Findings()
    found.add("evoprune", __version__)
    found.add("Python", f"{platform.python_version()} on {platform.platform()}")
    for package, module in NEEDED.items():
        found.add(package, _imported(package, module, found.problems))
    for extra, package in EXTRAS.items():
        version = _version(package)
        found.add(f"extra {extra}", version or f'not installed; pip install "evoprune[{extra}]"')
    if not found.problems:
        _machine(found)
        _weights(found)
    _cache(found)
    if network:
        for names, url in SOURCES.items():
            found.add(f"weights of {names}", _reached(url))
    if json:
        print_json({"usable": not found.problems, "problems": found.problems, "found": dict(found.rows)})
    else:
        _print(found)
    if found.problems:
        raise ConfigError(f"evoprune cannot be used here: {'; '.join(found.problems)}")
    if not json:
        tell("\nevoprune can be used here.")


def _imported(package: str, module: str, problems: list[str]) -> str:
    """The version of a package that can be imported; else why not, which is a problem."""
    version = _version(package)
    if version is None:
        problems.append(f"{package} is not installed (pip install {package})")
        return "not installed"
    try:
        importlib.import_module(module)
    # What a broken installation raises is up to the package: a missing library, an old symbol, an assertion.
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        problems.append(f"{package} {version} cannot be imported ({first}); install it anew")
        return f"{version}, which cannot be imported: {first}"
    return version


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine(found: Findings) -> None:
    import psutil
    import torch

    from evoprune.training import fastest_precision

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found.add("processor", f"{platform.machine()}, {cores} usable cores, {memory.total / 1e9:.1f} GB of memory")
    found.add("threads", f"{torch.get_num_threads()} (OMP_NUM_THREADS: {os.environ.get('OMP_NUM_THREADS', 'not set')})")
    found.add("precision", f"{fastest_precision('cpu')} on the processor")
    found.add("C compiler", shutil.which(os.environ.get("CC", "cc")) or "none; training is slower without one")
    if not torch.cuda.is_available():
        found.add("CUDA", "no device")
    for number in range(torch.cuda.device_count()):
        properties: Any = torch.cuda.get_device_properties(number)
        precision = fastest_precision(f"cuda:{number}")
        found.add(f"cuda:{number}", f"{properties.name}, {properties.total_memory / 1e9:.1f} GB, {precision}")


def _weights(found: Findings) -> None:
    """Which named weights lie on the disk already."""
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    there = [name for name in _WEIGHTS if any(folder.glob(f"{name}-*.pth"))]
    found.add("weights on disk", f"tiny (bundled); {', '.join(there) or 'no others'} in {folder}")


def _cache(found: Findings) -> None:
    from evoprune.features import cache_folder, list_entries

    folder = cache_folder()
    entries = list_entries()
    megabytes = sum(entry.bytes for entry in entries) / 1e6
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    state = "writable" if writable else "NOT writable, so features are computed each time; set EVOPRUNE_CACHE"
    free = shutil.disk_usage(existing).free / 1e9
    found.add("cache", f"{folder}: {len(entries)} files, {megabytes:.1f} MB, {free:.1f} GB free, {state}")


def _reached(url: str) -> str:
    """Whether a source of weights answers."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
            return f"can be reached ({url})"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code} {error.reason}; give a file with --weights"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{url} cannot be reached ({reason}); give a file with --weights"


def _print(found: Findings) -> None:
    from rich.table import Table
    from rich.text import Text

    from evoprune.report import printable

    table = Table(pad_edge=False, box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for what, text in found.rows:
        table.add_row(what, Text(printable(text)))
    OUT.print(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
