"""Reports: tables and figures of a run."""

from evoprune.report._figures import draw_convergence, write_convergence
from evoprune.report._history import best_so_far, write_history
from evoprune.report._table import result_table, shown_accuracy
from evoprune.report._text import printable

__all__ = [
    "best_so_far",
    "draw_convergence",
    "printable",
    "result_table",
    "shown_accuracy",
    "write_convergence",
    "write_history",
]
