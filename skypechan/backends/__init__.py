"""One folder per kind of messenger client, behind the seam in base."""
