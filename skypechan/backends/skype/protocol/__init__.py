"""The text protocol of the Skype Desktop API, pure, for both of its ends."""
