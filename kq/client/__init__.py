"""The client side of the queue, for the desktop and for the `kq` command."""
