"""Weights that a model begins with in place of random ones: from a directory of transformers, or tiled from a run's.

    results/starts/{model}/
        weights.safetensors     float32, named as the model's state dict
        manifest.json           written last: its checksum, where it came from, and a digest of all that decides it

Nothing that is read here can be executed: there are safetensors and JSON, no pickles.
"""
