"""Special tokens: what they are called, and their ids, which come before those of all ordinary tokens."""

from __future__ import annotations

SPECIAL_TOKENS = ("[MASK]", "[CLS]", "[PAD]", "[UNK]", "[SEP]")
"""Content of ids 0 to 4: never masked, and never drawn in a masked token's place."""
MASK, CLS, PAD, UNK, SEP = range(len(SPECIAL_TOKENS))
FIRST_ORDINARY = len(SPECIAL_TOKENS)
"""The least id of an ordinary token."""
