"""All that plug-ins and the host may import of kq. Names only: each is made elsewhere."""
