"""A session's top process: restarts a server that died, and ends all processes at the session's end."""
