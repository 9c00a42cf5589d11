"""The gateway: lines, live calls, and who is let in."""
