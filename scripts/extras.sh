#!/bin/sh
# Installs what optional features and their tests need. The default path needs none of it.
set -eu
packages="nodejs postgresql r-base-core r-cran-jsonlite r-cran-repr default-jdk-headless skopeo docker-registry runsc crun runc chromium"

if ! command -v apt-get >/dev/null 2>&1; then
    echo "This installs packages with apt-get, which is not here. Install by hand: $packages" >&2
    exit 2
fi
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
command -v node >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/ nodejs//')
[ -z "$missing" ] && { echo "All extras are installed."; exit 0; }
if [ "$(id -u)" -ne 0 ]; then
    echo "Run as root: apt-get install$missing" >&2
    exit 2
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $missing
