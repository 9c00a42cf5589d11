"""The demonstration: real programs around one gateway, calls between them, a report."""
