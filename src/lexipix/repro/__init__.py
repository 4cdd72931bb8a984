"""Reproduction: DVC's stages and their runs, digests, dry runs with cost estimates, running a run again."""
