"""Benchmarks run at a small size: that they measure and print, never how fast."""
