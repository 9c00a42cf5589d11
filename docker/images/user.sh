#!/bin/sh
# user.sh ROOT FOLDER...: the user of the containers, and the folders that are his.
set -eu
root=$1
shift
echo "skypechan:x:10001:10001::/var/lib/skypechan:/usr/sbin/nologin" >>"$root/etc/passwd"
echo "skypechan:x:10001:" >>"$root/etc/group"
for folder in "$@"; do
    mkdir -p "$root$folder"
    chown 10001:10001 "$root$folder"
done
