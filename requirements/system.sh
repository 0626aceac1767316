#!/bin/sh
# Installs the Debian packages named as arguments that are missing; where it may not, says which to install.
set -eu

missing=
for package in "$@"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "switchboard: these programs are missing:$missing. Install them with your system's package tool, then run this again." >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "switchboard: Debian packages are missing, and only root may install them. Run: sudo apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo -n"
fi
case "$missing" in
*postgresql*)
    # Only its programs are wanted: the tests start a server of their own, and none is left running.
    $as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" | $as_root tee /etc/postgresql-common/createcluster.d/switchboard.conf >/dev/null
    ;;
esac
echo "switchboard: installing Debian packages:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of names is meant to be split
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
