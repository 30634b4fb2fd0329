#!/bin/bash
# SPDX-License-Identifier: MIT
# mmdebstrap runs this in front of all else: fetches the package lists (mmdebstrap then doesn't), and looks for the
# packages PITH_PACKAGES before any is fetched. Those that aren't there are told in PITH_WORK/error.
set -u

apt_get() { APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q "$@"; }

apt_get update --error-on=any || exit
[[ $PITH_PACKAGES ]] || exit 0
read -ra packages <<<"$PITH_PACKAGES"
# Other complaints may be those of a simulation alone.
missing=$(apt_get install --simulate "${packages[@]}" 2>&1 |
    sed -nE "s/^E: (Unable to locate package |Package '|Couldn't find any package by .*')([a-z0-9+.-]+).*/\2/p" |
    sort -u | paste -sd,)
[[ -z $missing ]] || { echo "Debian bookworm has no package ${missing//,/, }" >"$PITH_WORK/error"; exit 1; }
