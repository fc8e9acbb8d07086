#!/bin/sh
# Writes requirements/*.txt anew from pyproject.toml; needs uv. Versions stay unless --upgrade is given.
set -eu
cd "$(dirname "$0")/.."

lock() {
    out="requirements/$1.txt"
    shift
    uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-annotate --no-emit-index-url \
        --custom-compile-command tools/lock.sh --output-file "$out" "$@"
}

lock kq "$@"
lock host --extra host "$@"
lock dev --extra host --extra dev "$@"
lock bench --extra bench "$@"
