"""
NAME: Note Nodes
ICON:
KEYBOARD_SHORTCUT: Ctrl+Shift+N
SCOPE:

Says in the messages how many nodes there are.
"""

import logging

from Katana import NodegraphAPI

logging.getLogger("Katana.Sample").info("There are %d nodes.", len(NodegraphAPI.GetAllNodes()))
