#!/bin/sh
# Called by mmdebstrap with a root that has Asterisk: adds the samples and the start.
set -eu
cd -- "$(dirname -- "$0")/../.."
root=$1
mkdir -p "$root/usr/share/skypechan" "$root/run/asterisk"
cp -r asterisk-conf "$root/usr/share/skypechan/"
install -m 0755 docker/images/asterisk-configured "$root/usr/bin/"
chown -R 10001:10001 "$root/run/asterisk"
# Prompts by language code.
for prompts in "$root"/usr/share/asterisk/sounds/en_*; do
    [ ! -d "$prompts" ] || ln -sfn "${prompts##*/}" "$root/usr/share/asterisk/sounds/en"
done
