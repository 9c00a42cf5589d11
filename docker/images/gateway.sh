#!/bin/sh
# Called by mmdebstrap with a root: installs the gateway, for the user that it runs as.
set -eu
cd -- "$(dirname -- "$0")/../.."
sh docker/images/machine.sh "$1"
mkdir -p "$1/etc/skypechan"
sh docker/images/user.sh "$1" /var/lib/skypechan /run/skypechan /run/line
