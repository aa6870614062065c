"""Analysis: statistics for tables, and how alike models are."""

from evoprune.analysis._cka import linear_cka, rbf_cka
from evoprune.analysis._correlation import Correlation, spearman_with_interval
from evoprune.analysis._hamming import closest, hamming, pairwise_hamming
from evoprune.analysis._ranks import Friedman, cliques, critical_difference, friedman
from evoprune.analysis._signed_rank import Comparison, SignedRank, compare_all, wilcoxon
from evoprune.analysis._statistics import Summary, holm, summary, vargha_delaney

__all__ = [
    "Comparison",
    "Correlation",
    "Friedman",
    "SignedRank",
    "Summary",
    "cliques",
    "closest",
    "compare_all",
    "critical_difference",
    "friedman",
    "hamming",
    "holm",
    "linear_cka",
    "pairwise_hamming",
    "rbf_cka",
    "spearman_with_interval",
    "summary",
    "vargha_delaney",
    "wilcoxon",
]
