"""Scripts that measure. Each prints rows, seconds and the machine: python -m benchmarks.NAME."""
