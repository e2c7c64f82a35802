"""What led to a checkpoint, what a recipe asks for, and where the two agree.

A checkpoint's identity is what was done, not what is planned: a chain of hashes over its steps. So a phase continues
from the newest checkpoint, its own or any run's, whose history is a beginning of what the recipe now asks for. Nothing
here needs torch: it is also asked on a login node, before a job is submitted.
"""
