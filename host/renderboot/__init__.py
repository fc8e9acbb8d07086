"""The render process: reads a USD stage and has a renderer plug-in draw it, progressively.

Never the queue's protocol and never Qt: it is started with `-key value` arguments and speaks through its log.
"""
