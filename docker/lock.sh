#!/bin/sh
# Computes requirements.lock anew: every package of the runtime and of the tests, each
# pinned by its hashes, for all supported interpreters, with no address in it.
set -eu
cd -- "$(dirname -- "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check uv
UV_PYTHON_DOWNLOADS=never "$tools/bin/uv" pip compile pyproject.toml --extra dev \
    --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
    --python .venv/bin/python --output-file requirements.lock
if grep -n -E '://|/(tmp|opt|home|root)/' requirements.lock >&2; then
    echo "requirements.lock names an address" >&2
    exit 1
fi
