"""A plug-in that does not parse."""
def broken(:
    pass
