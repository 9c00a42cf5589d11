#!/bin/sh
# Builds a private Asterisk: the files of Debian sid's package and of what it
# depends on, unpacked under one folder, with no root rights and nothing
# installed on the machine. Its programs run through the folder's own loader, as
# skypechan/demo/parts/asterisk.py does it.
#
#   build.sh [--rebuild] [FOLDER]      FOLDER: default var/asterisk-root
#
# ASTERISK_SUITE   the Debian suite to take it from; default sid
# ASTERISK_SOURCE  a whole apt source line, where the Debian mirror of the machine's
#                  own apt is not the one to use, e.g. "deb [trusted=yes] URI sid main"
#
# Exit status: 0 the root is there, 1 it could not be built (one sentence says why).
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
checkout=$(CDPATH='' cd -- "$here/../.." && pwd)
suite=${ASTERISK_SUITE:-sid}
rebuild=no
root=$checkout/var/asterisk-root
for word in "$@"; do
    case $word in
    --rebuild) rebuild=yes ;;
    -*) echo "usage: build.sh [--rebuild] [FOLDER]" >&2 && exit 2 ;;
    *) root=$word ;;
    esac
done

# The version stands in this file once everything else is in place.
stamp=$root/VERSION
new=$root.new
log=$root.log
what=asterisk-root
# shellcheck source=../progress.sh
. "$here/../progress.sh"
# shellcheck source=../debian.sh
. "$here/../debian.sh"

explain() {
    if no_network; then
        fail "the Debian mirror cannot be reached: check the network and proxy, then run it again (log: $log)"
    elif grep -q -i -E 'NO_PUBKEY|not signed|EXPKEYSIG|public key is not available' "$log"; then
        fail "the signature of Debian $suite cannot be verified: install a newer debian-archive-keyring (log: $log)"
    elif grep -q -i -E 'unmet dependencies|held broken packages|unable to correct problems|unable to locate package' "$log"; then
        fail "Debian $suite cannot install asterisk at the moment: try again in a day, or use an installed one with ASTERISK=system (log: $log)"
    elif grep -q -i 'no space left' "$log"; then
        fail "the disk is full: about 500 MB are needed in $(dirname -- "$root")"
    elif grep -q -i 'permission denied' "$log"; then
        fail "no right to write in $(dirname -- "$root"): run it as the owner of the checkout (log: $log)"
    fi
    fail "mmdebstrap failed: $(trouble) (log: $log)"
}

# Runs a command as a user without rights where root asks and that user can
# reach the folder; else as the invoking user.
unprivileged() {
    if [ "$as_nobody" = yes ]; then
        setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups \
            env HOME="$new" TMPDIR=/tmp "$@"
    else
        "$@"
    fi
}

version_of() {
    loader=$(ls "$1"/usr/lib/*/ld-linux-*.so.* 2>/dev/null | head -n 1)
    [ -n "$loader" ] || return 1
    libraries=$(dirname -- "$loader")
    "$loader" --library-path "$libraries:$1/usr/lib" "$1/usr/sbin/asterisk" -V 2>>"$log"
}

[ "$rebuild" = yes ] || [ ! -s "$stamp" ] || exit 0
command -v mmdebstrap >/dev/null ||
    fail "mmdebstrap is missing: apt-get install mmdebstrap (or use an installed Asterisk with ASTERISK=system)"
command -v apt-get >/dev/null ||
    fail "this is no Debian or Ubuntu: use an installed Asterisk with ASTERISK=system"
mkdir -p "$(dirname -- "$root")" 2>/dev/null && [ -w "$(dirname -- "$root")" ] ||
    fail "no right to write in $(dirname -- "$root"): run it as the owner of the checkout"

exec 9>"$root.lock"
flock -n 9 || { say "another build is running: waiting for it" && flock 9; }
[ "$rebuild" = yes ] || [ ! -s "$stamp" ] || exit 0

source_line=${ASTERISK_SOURCE:-$(source_of "$suite")}

rm -rf "$new"
mkdir "$new"
: >"$log"
as_nobody=no
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups test -x "$new" 2>/dev/null; then
    as_nobody=yes
    chown nobody "$new"
fi
options=$(mktemp)
chmod 0644 "$options"
apt_options >"$options"
trap 'rm -rf "$options" "$new"' EXIT
trap interrupted INT TERM HUP

say "unpacking Asterisk of Debian $suite (about 70 MB to fetch, 270 MB on disk)"
watched unprivileged mmdebstrap --mode=chrootless --variant=extract \
    --include=asterisk --aptopt="$options" \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$new" \
    ${source_line:+"$source_line"} ||
    explain

# Owned by the checkout's owner, so that the Asterisk that runs from it as
# somebody else cannot change its own programs.
if [ "$(id -u)" -eq 0 ]; then
    chown -R -h 0:0 "$new"
fi
chmod -R u+rwX,go+rX,go-w,u-s,g-s "$new"
# What the packages' scripts would have done: prompts by language code.
for prompts in "$new"/usr/share/asterisk/sounds/en_*; do
    [ ! -d "$prompts" ] || ln -sfn "$(basename -- "$prompts")" "$new/usr/share/asterisk/sounds/en"
done
version=$(version_of "$new") || fail "the unpacked Asterisk does not start: $(trouble)"
rm -rf "$root.old"
[ ! -e "$root" ] || mv "$root" "$root.old"
mv "$new" "$root"
echo "$version" >"$stamp"
rm -rf "$root.old"
say "ready: $version"
