"""The operator's commands: what they ask of the running gateway, what they print."""
