"""Executors: who measures candidates, this process or the workers of a Ray cluster."""

from evoprune.executors._executor import Executor, Here
from evoprune.executors._make import EXECUTORS, make_executor
from evoprune.executors._ray import RayExecutor

__all__ = ["EXECUTORS", "Executor", "Here", "RayExecutor", "make_executor"]
