"""What keeps the house in order: the steps of ./check. Never shipped, never imported by kq or host."""
