"""Development tools: the steps of ./check. Never shipped, never imported by kq or host."""
