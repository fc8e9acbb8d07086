"""Jobs on a render farm that a site runs already: one decision core, thin engine adapters, one thread a farm.

The truth about a job is in its folder, in the records that its task runner writes; an engine only says what
waits and what runs. No Agents, sockets or Qt in here.
"""
