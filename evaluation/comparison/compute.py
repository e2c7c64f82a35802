"""Quality against compute: which runs no other one beats in both."""

from __future__ import annotations

from collections.abc import Mapping


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names of the points that are on the front, in the order of their compute.

    Args:
        points: name -> (compute, loss); of both less is better. A point is on the front if no other has at most its
            compute and at most its loss, and less of one of them.
    """
    front = [
        name
        for name, (compute, loss) in points.items()
        if not any(other[0] <= compute and other[1] <= loss and other != (compute, loss) for other in points.values())
    ]
    return sorted(front, key=lambda name: (points[name], name))
