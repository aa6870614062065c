"""Analysis: statistics for tables, how alike models are, and ensembles of them."""

from evoprune.analysis._cka import linear_cka, rbf_cka
from evoprune.analysis._correlation import Correlation, spearman_with_interval
from evoprune.analysis._ensemble import WINDOWS, Panel, outlier_vote, window_members
from evoprune.analysis._ensemble_selection import best_window, diverse_members, greedy_members, quality
from evoprune.analysis._hamming import closest, hamming, pairwise_hamming
from evoprune.analysis._ranks import Friedman, cliques, critical_difference, friedman
from evoprune.analysis._signed_rank import Comparison, SignedRank, compare_all, wilcoxon
from evoprune.analysis._statistics import Summary, holm, summary, vargha_delaney

__all__ = [
    "WINDOWS",
    "Comparison",
    "Correlation",
    "Friedman",
    "Panel",
    "SignedRank",
    "Summary",
    "best_window",
    "cliques",
    "closest",
    "compare_all",
    "critical_difference",
    "diverse_members",
    "friedman",
    "greedy_members",
    "hamming",
    "holm",
    "linear_cka",
    "outlier_vote",
    "pairwise_hamming",
    "quality",
    "rbf_cka",
    "spearman_with_interval",
    "summary",
    "vargha_delaney",
    "wilcoxon",
    "window_members",
]
