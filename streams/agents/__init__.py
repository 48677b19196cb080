"""One module an agent: read, evaluate, write, forward."""
