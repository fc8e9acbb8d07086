"""The scene behind the Node Graph: node types, the graph they form, and how cooking composes a USD stage.

No Qt in here, and nothing of Katana's API: the desktop shows this model, and the cook process runs it alone.
"""
