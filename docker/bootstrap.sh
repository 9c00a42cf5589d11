#!/bin/sh
# Puts on a fresh Debian or Ubuntu what this checkout needs, and does nothing where
# it is there already. All it says goes to standard error.
#
#   bootstrap.sh PART...
#     python     the virtual environment .venv, from requirements.lock
#     system     Debian's packages: Xvfb, D-Bus, the SIP phone and caller, mmdebstrap
#     asterisk   a private Asterisk below var/ (not with ASTERISK=system)
#     images     what docker/build.sh and its tests need: buildah, mmdebstrap, nspawn
#     browser    Chromium, in which the page is tried
#
# PYTHON   the interpreter to use; default the first of 3.11 or newer that is found
#
# Exit status: 0 everything is there, 1 it is not (one sentence says why).
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd -- "$here/.."
what=bootstrap
log=$PWD/var/bootstrap.log
# shellcheck source=progress.sh
. docker/progress.sh

wants() {
    case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# Debian's own interpreter first: other users of the machine can run it too, which
# one below somebody's home folder does not allow.
interpreter() {
    for candidate in "${PYTHON:-}" /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then
            echo "$candidate" && return 0
        fi
    done
    return 1
}

# What the environment was made from: it is made anew when one of these changes.
python_state() {
    echo "$PWD $(cat requirements.lock pyproject.toml | sha256sum | cut -d ' ' -f 1)"
}

python_is_there() {
    [ -x .venv/bin/python ] && [ "$(cat .venv/installed 2>/dev/null)" = "$(python_state)" ]
}

asterisk_is_there() {
    [ "${ASTERISK:-}" = system ] || [ -s var/asterisk-root/VERSION ]
}

missing_packages() {
    if wants python && ! python_is_there && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
    if wants images; then
        for pair in buildah:buildah ip:iproute2 mmdebstrap:mmdebstrap \
            systemd-nspawn:systemd-container; do
            command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
        done
        /usr/bin/python3 -c 'import yaml' 2>/dev/null || echo python3-yaml
    fi
    if wants browser && ! command -v chromium >/dev/null; then
        echo chromium
    fi
    wants system || return 0
    for pair in Xvfb:xvfb dbus-daemon:dbus baresip:baresip-core sipp:sip-tester mmdebstrap:mmdebstrap; do
        if [ "${ASTERISK:-}" = system ] && [ "$pair" = mmdebstrap:mmdebstrap ]; then
            continue
        fi
        command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

install_packages() {
    command -v apt-get >/dev/null ||
        fail "this is no Debian or Ubuntu: install by hand what these packages hold: $packages"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "no right to install packages: run as root: apt-get install $packages"
        # The password, if there is one to ask for, before the output goes to the log.
        sudo -v || fail "no right to install packages: run as root: apt-get install $packages"
    fi
    # A source that has nothing to do with us may be out of order: the installation
    # itself shows whether the lists are good enough.
    watched as_root apt-get update -q ||
        say "  apt-get update had trouble: going on with what is known"
    # shellcheck disable=SC2086
    watched as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends -o DPkg::Lock::Timeout=300 $packages && return 0
    ! no_network || fail "Debian's packages cannot be fetched: check the network and proxy, then run it again (log: $log)"
    fail "apt-get could not install $packages: $(trouble) (log: $log)"
}

# An environment cannot be moved: its programs name its folder. Neither does it
# outlive the interpreter that it was made with.
drop_stale_environment() {
    [ -e .venv ] || return 0
    case $(cat .venv/installed 2>/dev/null) in
    "" | "$PWD "*) .venv/bin/python -c '' 2>/dev/null || rm -rf .venv ;;
    *) rm -rf .venv ;;
    esac
}

make_environment() {
    drop_stale_environment
    [ -x .venv/bin/python ] || watched "$python" -m venv .venv ||
        fail "$python cannot make a virtual environment: $(trouble) (log: $log)"
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
    watched .venv/bin/python -m pip install --require-hashes -r requirements.lock &&
        watched .venv/bin/python -m pip install --no-deps --no-build-isolation -e . &&
        python_state >.venv/installed && return 0
    ! no_network || fail "the Python packages cannot be fetched: check the network and proxy, then run it again (log: $log)"
    fail "pip could not install the Python packages: $(trouble) (log: $log)"
}

parts=$*
[ -n "$parts" ] || { echo "usage: bootstrap.sh python|system|asterisk|images|browser ..." >&2 && exit 2; }
python=
packages=
if wants python && ! python_is_there; then
    python=$(interpreter) || fail "no Python of version 3.11 to 3.14 was found: name one with PYTHON="
fi
packages=$(missing_packages | tr '\n' ' ')
packages=${packages% }

plan=
[ -z "$packages" ] || plan="$plan; Debian's packages $packages"
! wants python || python_is_there || plan="$plan; Python packages into .venv, with $python"
! wants asterisk || asterisk_is_there || plan="$plan; a private Asterisk into var/asterisk-root"
[ -n "$plan" ] || exit 0

mkdir -p var 2>/dev/null && [ -w var ] && [ -w . ] ||
    fail "no right to write in $PWD: run it as the owner of the checkout"
exec 9>var/bootstrap.lock
flock -n 9 || { say "another one is at work: waiting for it" && flock 9; }
trap interrupted INT TERM HUP
: >"$log"
say "will install ${plan#; }"
[ -z "$packages" ] || { say "Debian's packages" && install_packages; }
! wants python || python_is_there || { say "Python packages" && make_environment; }
! wants asterisk || asterisk_is_there || sh docker/asterisk-root/build.sh 9>&-
say "done"
