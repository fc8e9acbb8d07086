"""The Agent: a process that takes tasks, one at a time, and hosts their render processes.

It never starts other Agents, and decides nothing about jobs.
"""
