"""Metrics of a phase for an experiment tracker, mirrored from outside of its training.

`metrics.jsonl` is the truth, and only what it says is mirrored, by a process beside the launch of a phase
(`python -m workflow.tracking`). So a tracker can neither slow nor end a step, its package is needed where phases are
launched and not in an image, and it has the network that a login node has. Whatever was missed is caught up with.
"""
