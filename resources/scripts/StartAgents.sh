#!/usr/bin/env bash
# Starts Agents of Katana Queue on this machine, for a desktop elsewhere on the network.
#
#   ./StartAgents.sh KATANA_ROOT KQ_DATA_ROOT KQ_HOST REQUEST_PORT UPDATE_PORT BROADCAST_PORT NUM_AGENTS
#
# Run by hand it needs the session's key, in ~/.katana-queue/connection.json or the file that KQ_CONNECTION names:
# `kq remote key` on the desktop's machine prints it. Variables that may be set:
#   KQ_CONNECTION  the file with the session's key; - reads standard input
#   KQ_ROOT        the folder that holds the package kq, when it is not KATANA_ROOT
#   KQ_PYTHON      the Python to use, 3.11 or later, with pyzmq and msgspec; on macOS psutil too
set -eu

fail() {
    printf 'StartAgents: %s\n' "$*" >&2
    exit 2
}

[ "$#" -eq 7 ] || fail "seven arguments are needed: KATANA_ROOT KQ_DATA_ROOT KQ_HOST REQUEST_PORT UPDATE_PORT" \
    "BROADCAST_PORT NUM_AGENTS; $# were given: put paths in quotation marks"

katana_root="$1"
data_root="$2"
kq_host="$3"
request_port="$4"
update_port="$5"
broadcast_port="$6"
num_agents="$7"

for number in "$request_port" "$update_port" "$broadcast_port" "$num_agents"; do
    case "$number" in
    '' | *[!0-9]*) fail "'$number' is not a number: three ports and the number of Agents come last" ;;
    esac
done

find_kq() {
    local folder here
    here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
    for folder in "${KQ_ROOT:-}" "$katana_root" "$here/../.." "$katana_root/plugins/Resources/KatanaQueue"; do
        if [ -n "$folder" ] && [ -f "$folder/kq/remote_host/__main__.py" ]; then
            (cd "$folder" && pwd)
            return
        fi
    done
    return 1
}

# In the syntax of Python 2, so that an old one can answer.
is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 </dev/null
}

find_python() {
    local name
    if [ -n "${KQ_PYTHON:-}" ]; then
        printf '%s\n' "$KQ_PYTHON"
        return
    fi
    for name in "$katana_root/bin/python.sh" "$katana_root/bin/python3" "$katana_root/bin/python" \
        "$katana_root/.venv/bin/python" "$1/.venv/bin/python" python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 && is_new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

kq_root="$(find_kq)" ||
    fail "Katana Queue is not installed in KATANA_ROOT ($katana_root) or KQ_ROOT (${KQ_ROOT:-not set})"
python="$(find_python "$kq_root")" || fail "no Python 3.11 or later found: install one, or set KQ_PYTHON"
is_new_enough "$python" ||
    fail "$python is $("$python" --version 2>&1 </dev/null || true): Python 3.11 or later is needed"

# For StopAgents: Katana's python.sh runs another program, which may not start by itself.
export KQ_PYTHON="$python"

printf 'Starting %s Agents on %s for %s\n' "$num_agents" "$(uname -n)" "$kq_host"
exec "$python" -P "$kq_root/kq/remote_host/__main__.py" start \
    --connection "${KQ_CONNECTION:-}" \
    --katana-root "$katana_root" \
    --desktop-root "${KQ_DESKTOP_ROOT:-}" \
    --data-root "$data_root" \
    --host "$kq_host" \
    --ports "$request_port" "$update_port" "$broadcast_port" \
    --agents "$num_agents" \
    --first-log "${KQ_FIRST_LOG:-0}"
