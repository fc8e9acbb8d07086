"""Live rendering: the scene stays loaded, changes come from the desktop, pictures go back.

`state` is what is sent and `machine` what happens when, without I/O; `session` carries it out.
"""
