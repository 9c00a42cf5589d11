"""The smallest backend: answers at once, echoes audio and digits, hangs up."""
