"""Time attention inside the pieces of packed rows, forward and backward, in five ways that give the same result.

    plan            model/attention/slabs.py
    one by one      a call of scaled_dot_product_attention for each piece, in windowed layers with a mask
    slab by slab    a call for each slab of the plan: what the plan would be without batching
    row masks       a call for all rows, each with a mask of its pieces, bool[rows, 1, length, length]
    one mask        a call for the whole batch with a mask of all its pieces, bool[tokens, tokens]

Pieces are the documents of the text, or its lines where pieces are to be short, tokenized and packed; queries, keys and
values are random. Plans, masks and cuts are made beforehand, as a model makes them once for all its layers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measure import (
    Text,
    conditions,
    pack_text,
    parser,
    print_table,
    ratio,
    read_text,
    take_turns,
    train_encoder,
)
from common.errors import run_command
from model.attention.interface import checked
from model.attention.slabs import QUERIES_PER_SLAB, Slabs

WINDOW = 128
VOCABULARY = 8192
LARGEST_MASK = 4096
"""More tokens than this are not attended to with one mask: it grows with their square."""
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A batch of packed rows."""

    rows: int
    length: int
    heads: int
    dimension: int
    pieces: str = "documents"
    """Or "lines"."""

    def __str__(self) -> str:
        """Rows x length, heads x head dimension, what is a piece."""
        return f"{self.rows} x {self.length:,}, {self.heads} x {self.dimension}, {self.pieces}"


CASES = (
    Case(64, 128, 4, 16),
    Case(64, 128, 4, 16, "lines"),
    Case(4, 1024, 6, 64),
    Case(4, 1024, 4, 32),
    Case(4, 1024, 4, 32, "lines"),
    Case(1, 4096, 4, 32),
)


def contestants(case: Case, rows: list[list[int]], window: int | None) -> dict[str, Attention]:
    """Return the ways to attend to rows of these lengths of pieces."""
    lengths = [length for row in rows for length in row]
    boundaries = list(accumulate(lengths, initial=0))
    plan = Slabs().plan(checked(boundaries), window)
    ways: dict[str, Attention] = {"plan": lambda q, k, v: Slabs().attend(q, k, v, plan)}
    ways["one by one"] = _each([(start, end, start, end) for start, end in pairwise(boundaries)], lengths, window)
    if window is not None:
        ways["slab by slab"] = _each(_slabs(boundaries, window // 2), lengths, window)
    ways["row masks"] = _row_masks(case, rows, window)
    if len(rows) > 1 and sum(lengths) <= LARGEST_MASK:
        ways["one mask"] = _one_mask(_pieces(lengths), window)
    return ways


def _pieces(lengths: list[int]) -> Tensor:
    """int64[N], the number of each token's piece."""
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))


def _seen(piece: Tensor, window: int | None) -> Tensor:
    """bool[N, N], True where a token sees another."""
    position = torch.arange(len(piece))
    seen = piece[:, None] == piece
    return seen if window is None else seen & ((position[:, None] - position).abs() <= window // 2)


def _dense(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attend to [..., N, H, D]."""
    q, k, v = (x.transpose(-3, -2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(-3, -2)


def _slabs(boundaries: list[int], reach: int) -> list[tuple[int, int, int, int]]:
    """First and end of the queries and of the keys of each slab."""
    slabs = []
    for start, end in pairwise(boundaries):
        size = QUERIES_PER_SLAB if end - start > QUERIES_PER_SLAB + 2 * reach else end - start
        for first in range(start, end, size):
            last = min(first + size, end)
            slabs.append((first, last, max(first - reach, start), min(last + reach, end)))
    return slabs


def _each(parts: list[tuple[int, int, int, int]], lengths: list[int], window: int | None) -> Attention:
    masks: list[Tensor | None] = []
    for first, last, first_key, last_key in parts:
        far = (torch.arange(first, last)[:, None] - torch.arange(first_key, last_key)).abs()
        masks.append(None if window is None or int(far.max()) <= window // 2 else far <= window // 2)

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.cat(
            [
                _dense(q[None, a:b], k[None, c:d], v[None, c:d], mask)[0]
                for (a, b, c, d), mask in zip(parts, masks, strict=True)
            ]
        )

    return attention


def _row_masks(case: Case, rows: list[list[int]], window: int | None) -> Attention:
    """Rows are padded to their length first; what is padding is a piece of its own."""
    padded = [[*row, *([case.length - sum(row)] if sum(row) < case.length else [])] for row in rows]
    mask = torch.stack([_seen(_pieces(row), window) for row in padded])[:, None]
    place = torch.cat([case.length * number + torch.arange(sum(row)) for number, row in enumerate(rows)])

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.new_zeros(mask.shape[0] * case.length, *x.shape[1:]).index_copy(0, place, x) for x in (q, k, v))
        q, k, v = (x.view(len(mask), case.length, *x.shape[1:]) for x in (q, k, v))
        return _dense(q, k, v, mask).flatten(0, 1)[place]

    return attention


def _one_mask(piece: Tensor, window: int | None) -> Attention:
    mask = _seen(piece, window)
    return lambda q, k, v: _dense(q[None], k[None], v[None], mask)[0]


def measure(case: Case, rows: list[list[int]], window: int | None, rounds: int) -> list[str]:
    """Time a case; return its row of the table.

    Raises:
        AssertionError: if two ways give different results.
    """
    tokens = sum(map(sum, rows))
    inputs = torch.randn(3, tokens, case.heads, case.dimension).unbind()
    leaves = [x.requires_grad_() for x in inputs]
    upstream = torch.randn(tokens, case.heads, case.dimension)
    ways = contestants(case, rows, window)
    expected = ways["plan"](*leaves)
    for way in ways.values():
        torch.testing.assert_close(way(*leaves), expected, atol=1e-5, rtol=1e-4)

    def run(way: Attention) -> Callable[[], object]:
        return lambda: torch.autograd.grad(way(*leaves), leaves, upstream)

    seconds = take_turns({name: run(way) for name, way in ways.items()}, rounds)
    ours = seconds["plan"]
    cells = [
        f"{ratio(seconds[name], ours):.2f}" if name in seconds else "-"
        for name in ("one by one", "slab by slab", "row masks", "one mask")
    ]
    pieces = sum(map(len, rows))
    kind = "global" if window is None else f"window {window}"
    return [f"{case}, {kind}", f"{pieces}", f"{1e3 * median(ours):.1f}", *cells]


def main(arguments: argparse.Namespace) -> None:
    """Measure all cases and print the table."""
    torch.manual_seed(0)
    text = read_text(arguments.data)
    lines = [line for document in text.documents for line in document.splitlines() if line]
    texts = {"documents": text, "lines": Text(text.name, lines)}
    encoder = train_encoder(text, VOCABULARY)
    table = []
    for case in CASES:
        rows = [row.lengths for row in pack_text(texts[case.pieces], encoder, case.length).rows(case.rows)]
        table += [measure(case, rows, window, arguments.rounds) for window in (None, WINDOW)]
    header = ["rows x length, heads x dimension, kind", "pieces", "plan, ms", "one by one", "slab by slab"]
    print_table([*header, "row masks", "one mask"], table)
    print(
        "\nColumns 4 to 7: how many times as long as the plan; below 1 is faster.", conditions(text, arguments.rounds)
    )


if __name__ == "__main__":
    made = parser(__doc__, rounds=5)
    run_command(lambda: main(made.parse_args()))
