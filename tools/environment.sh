# shellcheck shell=bash
# Sourced by start, test and check: makes .venv ready and installs the system packages they need.
# Never runs any part of the project. The caller has set `root` to the checkout.

venv="${root:?}/.venv"

# What must be there, one need a line: how to see it (a library's soname, or a command), and Debian's package.
needs_of() {
    case "$1" in
    offscreen) cat <<'NEEDS' ;;
libglib-2.0.so.0 libglib2.0-0
libGL.so.1 libgl1
libEGL.so.1 libegl1
libxkbcommon.so.0 libxkbcommon0
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libatomic.so.1 libatomic1
libgssapi_krb5.so.2 libgssapi-krb5-2
NEEDS
    display) cat <<'NEEDS' ;;
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-shape.so.0 libxcb-shape0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
NEEDS
    blender) cat <<'NEEDS' ;;
libX11.so.6 libx11-6
libXi.so.6 libxi6
libXrender.so.1 libxrender1
libXfixes.so.3 libxfixes3
libSM.so.6 libsm6
NEEDS
    shell) echo "shellcheck shellcheck" ;;
    tests) cat <<'NEEDS' ;;
sshd openssh-server
ssh-keygen openssh-client
slurmctld slurmctld
slurmd slurmd
sbatch slurm-client
munged munge
/usr/bin/time time
ip iproute2
tcsh tcsh
fish fish
zsh zsh
Xvfb xvfb
xauth xauth
NEEDS
    windows) cat <<'NEEDS' ;;
wine wine
x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
x86_64-w64-mingw32-objdump binutils-mingw-w64-x86-64
NEEDS
    esac
}

say() { printf '==> %s\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# prepare REQUIREMENTS NEEDS...: returns once .venv holds requirements/REQUIREMENTS.txt and every need is met.
# Does nothing, in a few milliseconds, when an earlier call did it all.
prepare() {
    if is_ready "$@"; then return; fi
    # Two set-ups at once would trip over each other; the lock is on a file that is always there.
    exec 9<"$root/tools/environment.sh"
    if ! flock --nonblock 9; then
        say "Waiting for another set-up to finish"
        flock 9
    fi
    # `if` and not `||`: in a list, the shell would go on after a command that failed inside set_up.
    if ! is_ready "$@"; then set_up "$@"; fi
    exec 9<&-
}

set_up() {
    local requirements="$1" began="$SECONDS" python packages
    local PATH="$PATH:/usr/sbin:/sbin" # where ldconfig and sshd are, also for an ordinary user
    shift
    if [ ! -w "$root" ] || { [ -e "$venv" ] && [ ! -w "$venv" ]; }; then
        fail "$venv is not set up, and this user may not write there. Run this first as a user who may"
    fi
    mapfile -t packages < <(missing_packages "$@")
    if ! python="$(find_python)"; then
        packages+=(python3 python3-venv)
    elif ! can_install_wheels "$python"; then
        packages+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
    fi
    install_packages ${packages[@]+"${packages[@]}"}
    mapfile -t packages < <(missing_packages "$@")
    [ "${#packages[@]}" -eq 0 ] || fail "still missing after their installation: ${packages[*]}"
    python="$(find_python)" ||
        fail "needs Python 3.11 or later; this system's is $(python3 --version 2>&1). Debian 12 has 3.11"
    make_venv "$python"
    if [ "$(cat "$venv/.ready-$requirements" 2>/dev/null)" != "$(stamp_of "$requirements")" ]; then
        install_requirements "$python" "$requirements"
        link_project
        stamp_of "$requirements" >"$venv/.ready-$requirements"
    fi
    for need in "$@"; do needs_of "$need" >"$venv/.ready-$need"; done
    rm -f "$venv/.incomplete"
    say "Ready after $((SECONDS - began)) s"
}

# Makes "$venv/katana" hold Katana's own PySide6: where PYTHONPATH names it, it goes before the one in .venv.
# Fails where this Python is not the one that it was made for. To be called after `prepare dev`.
prepare_katanas_qt() {
    local file="$root/requirements/katana.txt"
    "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || return 1
    if [ "$(cat "$venv/katana/.ready" 2>/dev/null)" = "$(sha256sum <"$file")" ]; then return; fi
    say "Installing Katana's PySide6 from requirements/katana.txt"
    rm -rf "$venv/katana"
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: \
        --no-deps --require-hashes --target "$venv/katana" -r "$file" </dev/null ||
        fail "requirements/katana.txt could not be installed, see above"
    sha256sum <"$file" >"$venv/katana/.ready"
}

# --- What is there -----------------------------------------------------------------------------------------

# A set-up counts for these requirements and this interpreter only.
stamp_of() {
    sha256sum <"$root/requirements/$1.txt"
    readlink -f "$venv/bin/python"
}

is_ready() {
    local requirements="$1" need
    shift
    [ -x "$venv/bin/python" ] && [ ! -e "$venv/.incomplete" ] || return 1
    [ "$(cat "$venv/.ready-$requirements" 2>/dev/null)" = "$(stamp_of "$requirements")" ] || return 1
    for need in "$@"; do
        [ "$(cat "$venv/.ready-$need" 2>/dev/null)" = "$(needs_of "$need")" ] || return 1
    done
}

find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# Debian keeps ensurepip in a package of its own; a pip outside will do as well (from 22.3, which has --python).
can_install_wheels() {
    "$1" -c 'import ensurepip' 2>/dev/null || "$1" -m pip --python "$1" --version >/dev/null 2>&1
}

missing_packages() {
    local libraries need seen package
    [ "$(uname)" = Linux ] || return 0
    libraries="$(ldconfig -p)"
    for need in "$@"; do
        while read -r seen package; do
            case "$seen" in
            *.so.*) [[ "$libraries" == *"$seen "* ]] ;;
            *) command -v "$seen" >/dev/null ;;
            esac || printf '%s\n' "$package"
        done < <(needs_of "$need")
    done
}

# --- What is done about it ---------------------------------------------------------------------------------

install_packages() {
    local line by_hand log as_root=()
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        fail "missing, by their Debian names: $*. Install them with this system's package manager."
    line="apt-get update && apt-get install -y --no-install-recommends $*"
    by_hand="sudo sh -c '$line'"
    command -v sudo >/dev/null || by_hand="su -c '$line'"
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || fail "system packages are missing. Run this line, then try again:
$by_hand"
        as_root=(sudo -n)
    fi
    say "Installing system packages: $*"
    log="$(mktemp)"
    if ! ${as_root[@]+"${as_root[@]}"} sh -c "install() { $line; }
$(without_services)" </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "the system packages could not be installed, see above. The line was:
$by_hand"
    fi
    rm -f "$log"
}

# Debian starts a service as it installs it. The tests want the programs only: no one who runs them has asked
# for an SSH server on port 22, so a service that was not there before stays off.
without_services() {
    cat <<'AS_ROOT'
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
[ -x /usr/sbin/sshd ] || new_sshd=yes
export DEBIAN_FRONTEND=noninteractive
install || exit
if [ "$new_sshd" ] && [ -x /usr/sbin/sshd ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet ssh.service ssh.socket
fi
AS_ROOT
}

make_venv() {
    local python="$1"
    if [ -e "$venv/.incomplete" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        say "Making .venv with $("$python" --version)"
        rm -rf "$venv"
        mkdir "$venv"
        : >"$venv/.incomplete"
        "$python" -m venv --without-pip "$venv" </dev/null || fail "could not make $venv, see above"
    fi
    # Until the end of the set-up: an interrupted one starts again from nothing.
    : >"$venv/.incomplete"
}

install_requirements() {
    local python="$1" file="requirements/$2.txt" pip
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        pip=("$venv/bin/python" -m pip)
    elif "$python" -m pip --python "$venv/bin/python" --version >/dev/null 2>&1; then
        pip=("$python" -m pip --python "$venv/bin/python") # some seconds sooner than ensurepip
    else
        "$venv/bin/python" -m ensurepip >/dev/null || fail "pip could not be installed in $venv, see above"
        pip=("$venv/bin/python" -m pip)
    fi
    say "Installing $(grep -c '==' "$root/$file") Python packages from $file; this may take some minutes"
    # --no-deps: the file names every package; what it leaves out of what a package asks for is left out on purpose.
    "${pip[@]}" install --quiet --no-input --disable-pip-version-check --only-binary :all: \
        --no-deps --require-hashes -r "$root/$file" </dev/null || fail "$file could not be installed, see above"
}

# The project itself is used from its folder. Both files hold no absolute path, so the checkout may be moved.
link_project() {
    local site
    site="$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    printf '../../../..\n' >"$site/katana_queue.pth"
    # -P: a folder named kq where the artist happens to stand must not win over ours.
    cat >"$venv/bin/kq" <<'KQ'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -P -m kq "$@"
KQ
    chmod 755 "$venv/bin/kq"
}
