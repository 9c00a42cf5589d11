"""The Skype client that is not there: the other end of the Skype Desktop API."""
