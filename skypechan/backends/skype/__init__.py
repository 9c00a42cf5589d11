"""The Skype backend: speaks the Skype Desktop API to a client on this machine."""
