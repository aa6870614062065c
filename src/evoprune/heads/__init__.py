"""Heads: their shape, the encodings from genomes to masks, and the compact form."""

from evoprune.heads._compact import CompactHead, compact, compact_head, fold_standardization, forward
from evoprune.heads._encodings import ENCODINGS, Encoding, default_head, parse_encoding
from evoprune.heads._ensemble import (
    SHARE_FLOOR,
    TIE_WEIGHT,
    VOTES,
    EnsembleHead,
    Vote,
    ballots,
    counted_shares,
    log_shares,
    majority_vote,
    probabilities_of,
    soft_vote,
)
from evoprune.heads._structure import Head, Structure, dense_structure

__all__ = [
    "ENCODINGS",
    "SHARE_FLOOR",
    "TIE_WEIGHT",
    "VOTES",
    "CompactHead",
    "Encoding",
    "EnsembleHead",
    "Head",
    "Structure",
    "Vote",
    "ballots",
    "compact",
    "compact_head",
    "counted_shares",
    "default_head",
    "dense_structure",
    "fold_standardization",
    "forward",
    "log_shares",
    "majority_vote",
    "parse_encoding",
    "probabilities_of",
    "soft_vote",
]
