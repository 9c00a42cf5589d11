"""The call model: what a call is and how it lives. Pure."""
