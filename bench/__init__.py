"""Benchmarks on the real components: `make bench`. What they measure and how stands in docs/benchmarks.md."""
