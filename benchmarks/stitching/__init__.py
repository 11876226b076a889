"""How much stitching costs beside what nobody can avoid; see ``python -m benchmarks.stitching``."""
