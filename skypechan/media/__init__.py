"""The batch media engine: sound sockets to numpy rows to sockets."""
