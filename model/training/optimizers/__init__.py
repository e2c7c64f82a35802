"""Optimizers over the flat partitions that ZeRO gives each rank: a parameter of one dimension for each group."""
