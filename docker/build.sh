#!/bin/sh
# Builds the container images below var/images, without a registry and without a
# container engine: mmdebstrap makes each file system from Debian's packages, buildah the
# image from that and a Containerfile.
#
#   build.sh [gateway] [client] [asterisk] [machine]      default: the first three
#
# A machine is no image but a folder, var/images/machine: a Debian with systemd and
# skypechan, to be booted by systemd-nspawn.
#
# IMAGE_SUITE      the Debian suite, but for Asterisk; default trixie
# ASTERISK_SUITE   that of Asterisk; default sid
#
# They are named skypechan-gateway and so on in buildah's storage, and lie as
# var/images/gateway.tar for `podman load` and `docker load`.
#
# Exit status: 0 they are there, 1 one could not be built (one sentence says why).
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd -- "$here/.."
what=images
out=$PWD/var/images
log=$out/build.log
# shellcheck source=progress.sh
. docker/progress.sh
# shellcheck source=debian.sh
. docker/debian.sh
export BUILDAH_ISOLATION=chroot

# What nobody reads in a container, and the drivers of graphics cards: Xvfb has none.
lean() {
    for path in share/bash-completion share/doc share/info share/lintian share/locale \
        share/man 'lib/*/dri' 'lib/*/libgallium' 'lib/*/libLLVM' 'lib/*/libz3'; do
        echo "path-exclude=/usr/$path*"
    done
}

explain() {
    ! no_network || fail "the packages cannot be fetched: check the network and proxy, then run it again (log: $log)"
    ! grep -q -i 'no space left' "$log" || fail "the disk is full: about 3 GB are needed in $out"
    fail "$1 could not be built: $(trouble) (log: $log)"
}

# file_system NAME SUITE PACKAGES HOOK TARGET
file_system() {
    say "$1: Debian $2 with $3"
    source_line=$(source_of "$2")
    watched mmdebstrap --variant=essential --include="$3" \
        --aptopt="$work/apt" --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt="$work/dpkg" --customize-hook="$here/images/$4.sh" \
        "$2" "$5" ${source_line:+"$source_line"} || explain "$1"
}

# build NAME SUITE PACKAGES HOOK: the file system, the image, the file to load it from.
build() {
    context=$work/$1
    mkdir "$context"
    file_system "$@" "$context/root.tar"
    # Docker's form: the other one has no health checks.
    watched buildah bud --format docker --tag "skypechan-$1" \
        --file "docker/images/$1.Containerfile" "$context" || explain "$1"
    rm -rf "$context" "$out/$1.tar"
    watched buildah push "skypechan-$1" "docker-archive:$out/$1.tar:skypechan-$1" ||
        explain "$1"
    say "$1: $(du -m "$out/$1.tar" | cut -f 1) MB"
}

# machine SUITE PACKAGES: the folder.
machine() {
    rm -rf "$out/machine"
    file_system machine "$1" "$2" machine "$out/machine"
    say "machine: $(du -sm "$out/machine" | cut -f 1) MB"
}

gateway=python3,libstdc++6
desktop=xvfb,dbus-daemon

for program in mmdebstrap buildah; do
    command -v "$program" >/dev/null ||
        fail "$program is missing: apt-get install $program"
done
mkdir -p "$out"
exec 9>"$out/lock"
flock -n 9 || { say "another build is running: waiting for it" && flock 9; }
: >"$log"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap interrupted INT TERM HUP
apt_options >"$work/apt"
lean >"$work/dpkg"
.venv/bin/python -m hatchling build -t wheel -d "$work" >>"$log" 2>&1 || explain wheel
WHEEL=$(echo "$work"/*.whl)
export WHEEL

for image in ${*:-gateway client asterisk}; do
    case $image in
    gateway) build gateway "${IMAGE_SUITE:-trixie}" "$gateway" gateway ;;
    client) build client "${IMAGE_SUITE:-trixie}" "$gateway,$desktop,dbus-bin" gateway ;;
    asterisk) build asterisk "${ASTERISK_SUITE:-sid}" asterisk asterisk ;;
    machine) machine "${IMAGE_SUITE:-trixie}" "$gateway,$desktop,dbus,procps,systemd-sysv" ;;
    *) fail "there is no image $image: gateway, client, asterisk, machine" ;;
    esac
done
