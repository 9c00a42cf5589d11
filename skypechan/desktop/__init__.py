"""A desktop without a screen for each client: programs that are started and watched."""
