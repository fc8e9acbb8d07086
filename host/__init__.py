"""The stand-in for Katana: window, nodes, render process. Nothing of the queue itself lives here."""
