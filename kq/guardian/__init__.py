"""The process above all others of a session: it restarts the server, and leaves nothing behind."""
