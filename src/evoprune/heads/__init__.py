"""Heads: their shape, the encodings from genomes to masks, and the compact form."""

from evoprune.heads._compact import CompactHead, compact, compact_head, fold_standardization, forward
from evoprune.heads._encodings import ENCODINGS, Encoding, default_head, parse_encoding
from evoprune.heads._structure import Head, Structure, dense_structure

__all__ = [
    "ENCODINGS",
    "CompactHead",
    "Encoding",
    "Head",
    "Structure",
    "compact",
    "compact_head",
    "default_head",
    "dense_structure",
    "fold_standardization",
    "forward",
    "parse_encoding",
]
