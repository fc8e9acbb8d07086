"""Helpers shared by several folders of tests: a real queue, commands for its jobs, a small disk."""
