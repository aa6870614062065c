"""The command line."""

from evoprune.cli._app import main

__all__ = ["main"]
