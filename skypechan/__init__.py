"""A gateway that joins a messenger client to Asterisk as a telephone line."""
