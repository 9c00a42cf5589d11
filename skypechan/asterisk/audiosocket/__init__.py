"""AudioSocket: framed PCM over TCP, with the media channel of a call behind it."""
