"""Benchmarks, one for each file; each can be run by itself."""
