"""Reports: tables and figures of a run."""

from evoprune.report._attainment import attainment_bands, write_attainment_bands
from evoprune.report._axes import PlottedResult, plot_convergence, plot_front, plot_hypervolume, plot_sparsity
from evoprune.report._chord import neuron_chord, write_neuron_chord
from evoprune.report._critical_difference import critical_difference_figure, write_critical_difference
from evoprune.report._detection import reversed_remark
from evoprune.report._ensemble import WindowPanel, ensemble_windows, write_ensemble_windows
from evoprune.report._ensemble_table import ensemble_table, write_ensemble_tables
from evoprune.report._faithfulness import MeanCurves, faithfulness_curves, write_faithfulness
from evoprune.report._figures import draw_convergence, write_convergence
from evoprune.report._front import FrontData
from evoprune.report._front_3d import front_3d, write_front_3d
from evoprune.report._front_table import front_table, write_front, write_hypervolume
from evoprune.report._heatmaps import HeatmapRow, overlay, write_heatmap_grid
from evoprune.report._history import best_so_far, write_history
from evoprune.report._hypervolume import hypervolume_curve, write_hypervolume_curve
from evoprune.report._image_grid import GridRow, write_image_grid
from evoprune.report._neuron_boxes import neuron_boxes, write_neuron_boxes
from evoprune.report._neuron_frequency import neuron_frequency_curve, write_neuron_frequency
from evoprune.report._neurons_table import neurons_table
from evoprune.report._pairwise import pairwise_fronts, write_pairwise_fronts
from evoprune.report._parallel import parallel_coordinates, write_parallel_coordinates
from evoprune.report._run_convergence import run_convergence, write_run_convergence
from evoprune.report._runs_table import runs_table
from evoprune.report._soft_remark import soft_remark
from evoprune.report._sparsity import SparsityCurve, sparsity_curves, write_sparsity
from evoprune.report._strips import Strip, strip_chart, write_strips
from evoprune.report._table import result_table, shown_accuracy
from evoprune.report._text import csv_cell, markdown, printable
from evoprune.report._unpruned import unpruned_remark

__all__ = [
    "FrontData",
    "GridRow",
    "HeatmapRow",
    "MeanCurves",
    "PlottedResult",
    "SparsityCurve",
    "Strip",
    "WindowPanel",
    "attainment_bands",
    "best_so_far",
    "critical_difference_figure",
    "csv_cell",
    "draw_convergence",
    "ensemble_table",
    "ensemble_windows",
    "faithfulness_curves",
    "front_3d",
    "front_table",
    "hypervolume_curve",
    "markdown",
    "neuron_boxes",
    "neuron_chord",
    "neuron_frequency_curve",
    "neurons_table",
    "overlay",
    "pairwise_fronts",
    "parallel_coordinates",
    "plot_convergence",
    "plot_front",
    "plot_hypervolume",
    "plot_sparsity",
    "printable",
    "result_table",
    "reversed_remark",
    "run_convergence",
    "runs_table",
    "shown_accuracy",
    "soft_remark",
    "sparsity_curves",
    "strip_chart",
    "unpruned_remark",
    "write_attainment_bands",
    "write_convergence",
    "write_critical_difference",
    "write_ensemble_tables",
    "write_ensemble_windows",
    "write_faithfulness",
    "write_front",
    "write_front_3d",
    "write_heatmap_grid",
    "write_history",
    "write_hypervolume",
    "write_hypervolume_curve",
    "write_image_grid",
    "write_neuron_boxes",
    "write_neuron_chord",
    "write_neuron_frequency",
    "write_pairwise_fronts",
    "write_parallel_coordinates",
    "write_run_convergence",
    "write_sparsity",
    "write_strips",
]
