"""The window of the stand-in desktop and what artists do in it. Qt lives here; the scene is host.nodes."""
