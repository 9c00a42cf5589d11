"""Everything that speaks with Asterisk: AMI, AudioSocket, and the PBX leg."""
