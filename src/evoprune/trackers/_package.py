"""Whether the package of a tracker is there."""

from __future__ import annotations

from importlib.util import find_spec

from evoprune.errors import ConfigError


def require_package(name: str) -> None:
    """Check that the package of a tracker is installed, without loading it.

    Raises:
        ConfigError: it is not.
    """
    if find_spec(name) is None:
        raise ConfigError(
            f'tracker {name!r} needs a package that is not installed; run: pip install "evoprune[{name}]"'
        )
