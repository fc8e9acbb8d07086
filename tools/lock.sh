#!/bin/sh
# Writes requirements/*.txt anew from pyproject.toml; needs uv. Versions stay unless --upgrade is given.
set -eu
cd "$(dirname "$0")/.."

compile() {
    out="requirements/$1.txt"
    shift
    uv pip compile --quiet --generate-hashes --no-annotate --no-emit-index-url \
        --custom-compile-command tools/lock.sh --output-file "$out" "$@"
}

lock() {
    name="$1"
    shift
    compile "$name" --universal pyproject.toml "$@"
}

lock kq "$@"
lock host --extra host "$@"
lock dev --extra host --extra opencue --extra dev "$@"
lock bench --extra bench "$@"
compile katana --python-version 3.11 --group katana "$@"
# --no-deps: bpy asks for numpy 1, which its audio needs and Cycles does not, and for what its own add-ons import.
compile cycles --python-version 3.11 --no-deps --group cycles "$@"
