"""The operator's files: read, checked, and shown as a commented sample."""
