"""Reading the layers of USD scenes: what the cook process and renderboot do alike before a stage is composed.

Knows no nodes and no renderer, and reads nothing of a scene but its files.
"""
