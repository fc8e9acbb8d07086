#!/usr/bin/env bash
# Stops the Agents of Katana Queue that StartAgents.sh started on this machine, with what they render.
#
#   ./StopAgents.sh [SESSION | --all]
#
# Without an argument: those of the only session that has Agents here; with several, it lists them.
# It ends processes by pid and start time, as StartAgents wrote them down, and no others.
set -eu

fail() {
    printf 'StopAgents: %s\n' "$*" >&2
    exit 2
}

base="${KQ_REMOTE_DIR:-$HOME/.katana-queue}"
# What started the Agents can end them: StartAgents keeps its Python and folder here.
if [ ! -f "$base/python" ] || [ ! -f "$base/root" ]; then
    printf 'No Agents on %s: StartAgents has not been used there\nkq-remote: {"ended":[]}\n' "$(uname -n)"
    exit 0
fi
python="${KQ_PYTHON:-$(cat "$base/python")}"
kq_root="${KQ_ROOT:-$(cat "$base/root")}"
command -v "$python" >/dev/null 2>&1 || fail "$python, which started the Agents, was not found: set KQ_PYTHON"
[ -f "$kq_root/kq/remote_host/__main__.py" ] || fail "Katana Queue is no longer in $kq_root: set KQ_ROOT"

exec "$python" -P "$kq_root/kq/remote_host/__main__.py" stop "$@"
