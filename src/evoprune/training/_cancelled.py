"""How a training is given up."""

from __future__ import annotations


class TrainingCancelled(Exception):
    """Another training failed, or the user interrupted: the result is no longer wanted."""
