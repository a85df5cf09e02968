#!/bin/sh
# Create the virtual environment $1 with the project and what pyproject.toml pins; $2 says it is done.
set -eu
venv=$1 ready=$2

fail() { echo "error: $*" >&2; exit 1; }

# Two makes at once: the second waits, and finds the work done.
exec 9> "$venv.lock"
if command -v flock > /dev/null; then flock 9; fi
if [ -e "$ready" ]; then exit 0; fi

command -v "$PYTHON" > /dev/null ||
    fail "$PYTHON not found; install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv)"
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$PYTHON is Python $version, 3.11 or newer is needed; name another: make PYTHON=python3.12"

# Debian splits ensurepip off; without it `-m venv` leaves an environment that has no pip.
if ! "$PYTHON" -c 'import ensurepip' 2> /dev/null; then
    package=python$version-venv
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "installing $package (apt-get)" >&2
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$package"; } \
            < /dev/null > /dev/null || fail "apt-get could not install $package"
    else
        fail "$PYTHON has no ensurepip (Debian, Ubuntu: apt-get install $package)"
    fi
fi

echo "creating $venv and installing pinned packages into it (about 1 GB with PyTorch)" >&2
"$PYTHON" -m venv --clear "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input -q "$@"; }
if [ -n "$TORCH_INDEX" ]; then
    torch=$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
    # shellcheck disable=SC2086
    pip install $PIP_ARGS --index-url "$TORCH_INDEX" "$torch"
fi
# shellcheck disable=SC2086
pip install $PIP_ARGS -e '.[train,dev]'
touch "$ready"
