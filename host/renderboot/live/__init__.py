"""Live rendering: the scene stays loaded, changes come from the desktop, pictures go back.

`state` defines the messages, `machine` the state machine, both without I/O; `session` runs them.
"""
