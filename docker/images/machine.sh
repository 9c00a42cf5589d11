#!/bin/sh
# Called by mmdebstrap with a root: installs the gateway in it, from $WHEEL, and what of
# requirements.lock it runs with, by its hashes.
set -eu
cd -- "$(dirname -- "$0")/../.."
root=$1
site=$root/usr/lib/python3/dist-packages
version=$(basename -- "$(readlink "$root/usr/bin/python3")" | sed 's/^python//')
machine=$(uname -m)
lock=$(mktemp)
trap 'rm -f "$lock"' EXIT

into_root() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --target "$site" --no-compile --only-binary :all: --implementation cp \
        --python-version "$version" --platform "manylinux2014_$machine" \
        --platform "manylinux_2_28_$machine" "$@"
}

.venv/bin/python docker/images/runtime_lock.py skypechan requirements.lock >"$lock"
into_root --require-hashes --requirement "$lock"
into_root --no-index --no-deps "$WHEEL"
rm -rf "${site:?}/bin"
find "$site" -depth -type d -name tests -exec rm -rf {} +
chroot "$root" python3 -m compileall -q /usr/lib/python3/dist-packages

for program in skypechan:skypechan.cli skype:skypechan.emulator.skype; do
    printf '#!/usr/bin/python3\nimport sys\nfrom %s import main\nsys.exit(main())\n' \
        "${program#*:}" >"$root/usr/bin/${program%%:*}"
    chmod 0755 "$root/usr/bin/${program%%:*}"
done
