"""Reading a USD stage at one frame into a neutral scene description. Never imports a renderer."""
