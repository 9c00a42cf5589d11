"""Real programs as child processes: Asterisk, a SIP phone, the gateway, the emulator.

Each part starts with `async with`, is ready when the block is entered, keeps its log
in its folder and leaves no process behind, even where its starter is killed.
"""
