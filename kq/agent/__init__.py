"""The process that takes tasks, one at a time, and hosts render processes."""
