"""EuroEval's scores of runs beside a reference's, iteration by iteration.

An iteration draws the same training and test examples for every encoder, so that what makes it hard for both falls out
of the difference. The interval is Student's of the mean difference, which for few iterations is wider than EuroEval's
1.96 standard errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.intervals import CONFIDENCE
from common.paired import Estimate

Result = Mapping[str, Any]


def paired(own: Sequence[Result], other: Sequence[Result]) -> Estimate:
    """Return how much the first, seeds of one run, differ from the others, seeds of another, in points of 100.

    The spread between seeds comes on top, as that of independent samples, where there are several.

    Raises:
        ValueError: they were measured differently, or on a single iteration.
    """
    ways = {(one["metric"], one["examples"], one["iterations"], len(one["values"])) for one in (*own, *other)}
    if len(ways) > 1:
        raise ValueError("measured on other examples, in other iterations, or by another metric")
    scores = [np.array([one["values"] for one in group], dtype=np.float64) for group in (own, other)]
    iterations = scores[0].shape[1]
    if iterations < 2:
        raise ValueError("measured on a single iteration, whose spread is not known")
    differences = scores[0].mean(axis=0) - scores[1].mean(axis=0)
    between = sum(each.mean(axis=1).var(ddof=1) / len(each) for each in scores if len(each) > 1)
    from scipy.special import stdtrit

    quantile = float(stdtrit(iterations - 1, (1 + CONFIDENCE) / 2))
    reach = quantile * float(np.sqrt(differences.var(ddof=1) / iterations + between))
    value = float(differences.mean())
    return Estimate(value, value - reach, value + reach)
