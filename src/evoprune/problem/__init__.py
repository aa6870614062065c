"""The problem: the one function that search calls."""

from evoprune.problem._examined import Examined
from evoprune.problem._problem import Problem
from evoprune.problem._workers import AT_A_TIME, Stream, Workers

__all__ = ["AT_A_TIME", "Examined", "Problem", "Stream", "Workers"]
