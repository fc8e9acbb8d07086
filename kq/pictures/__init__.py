"""Decodes pictures in a process of its own, which can crash, hang and be killed without harm to the desktop.

The desktop uses `reader`; `program` and what it imports run in that process. Qt is not used here.
"""
