#!/bin/bash
# SPDX-License-Identifier: MIT
# debian_source.sh PACKAGE UPSTREAM_VERSION SHA256 DIRECTORY: unpacks the upstream part of a Debian source package, whose
# archive must have that checksum, as DIRECTORY. It comes from where the machine's own apt gets its packages: the list of sources
# used here is made from apt's configuration, which stays as it is. Several may run at once.
set -u -o pipefail
package=$1 version=$2 checksum=$3 directory=$4
stamp="$directory/.pith-$version"
log="$directory.log"

fail() { cat "$log" >&2; echo "debian_source.sh: $*" >&2; exit 1; }

mkdir -p "$(dirname "$directory")" || exit 1
exec 8>"$directory.lock"
flock 8
[[ -e $stamp ]] && exit 0

work=$(mktemp -d "$directory.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial"
# Debian's own archives among those that are configured, each once; apt checks them with the keys it has.
list_sources() {
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' 2>"$log" | sort -u |
        while IFS='|' read -r origin uri release component; do
            [[ $origin == Debian && $component == main ]] &&
                printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n\n' "$uri" "$release"
        done >"$work/pith.sources"
    [[ -s $work/pith.sources ]]
}
if ! list_sources; then  # a machine that has never fetched its package lists
    sudo=; ((EUID == 0)) || sudo=sudo
    $sudo apt-get -q -o DPkg::Lock::Timeout=400 update >>"$log" 2>&1
    list_sources || fail "apt knows no archive of Debian's"
fi

apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/pith.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache::srcpkgcache=" -o "Dir::Cache::pkgcache=" -o APT::Sandbox::User=)
"${apt[@]}" update >>"$log" 2>&1 || fail "could not fetch the lists of source packages"
(cd "$work" && "${apt[@]}" source --only-source --download-only "$package") >>"$log" 2>&1 || fail "could not fetch $package"
archive=$(echo "$work/${package}_$version".orig.tar.*[!c])
[[ -e $archive ]] || fail "$package $version has no archive of its upstream part"
echo "$checksum  $archive" | sha256sum -c >>"$log" 2>&1 || fail "${archive##*/} is not the one that is expected"
mkdir "$work/unpacked"
tar -xf "$archive" -C "$work/unpacked" --strip-components=1 >>"$log" 2>&1 || fail "could not unpack ${archive##*/}"
: >"$work/unpacked/${stamp##*/}"
rm -rf "$directory"
mv "$work/unpacked" "$directory" || fail "could not put $directory in place"
