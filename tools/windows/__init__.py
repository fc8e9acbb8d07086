"""A CPython for Windows that runs under Wine, for those who have no Windows: see docs/windows.md."""
