#!/bin/sh
# Called by mmdebstrap with a root that has Asterisk: adds the samples and the start.
set -eu
cd -- "$(dirname -- "$0")/../.."
root=$1
mkdir -p "$root/usr/share/skypechan"
cp -r asterisk-conf "$root/usr/share/skypechan/"
install -m 0755 docker/images/asterisk-configured "$root/usr/bin/"
sh docker/images/user.sh "$root" /run/asterisk
# Prompts by language code.
for prompts in "$root"/usr/share/asterisk/sounds/en_*; do
    [ ! -d "$prompts" ] || ln -sfn "${prompts##*/}" "$root/usr/share/asterisk/sounds/en"
done
