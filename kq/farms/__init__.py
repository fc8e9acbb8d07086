"""Jobs on a site's own render farm: one decision core, thin engine adapters, one thread per farm.

The records that the task runner writes into a job's folder are authoritative; an engine reports only which
tasks wait and run. Uses no Agents, no sockets and no Qt.
"""
