"""The problem: the one function that search calls."""

from evoprune.problem._problem import Problem

__all__ = ["Problem"]
