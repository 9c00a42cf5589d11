"""The checks of `skypechan check`: each says what it found, by what, and the remedy."""
