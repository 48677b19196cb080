"""The tables that the stream writes, and the sink that writes them."""
