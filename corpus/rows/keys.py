"""Keys that choose an order: from a seed and names."""

from __future__ import annotations

import hashlib


def derive_key(*parts: str | int) -> bytes:
    """Return 32 bytes that depend on every part and on their boundaries; equal parts give equal keys."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=32, person=b"alasin-order").digest()
