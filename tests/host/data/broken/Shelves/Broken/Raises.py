"""
NAME: Raises
ICON:
KEYBOARD_SHORTCUT:
SCOPE:

Raises when it is run.
"""

raise LookupError("there is nothing to launch")
