"""The render process: reads a USD stage and has a renderer plug-in draw it, progressively.

Uses neither Qt nor the queue's protocol: it takes `-key value` arguments and reports through its log.
"""
