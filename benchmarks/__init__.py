"""One question of speed a file; each can be run by itself."""
