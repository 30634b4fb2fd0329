#!/bin/bash
# SPDX-License-Identifier: MIT
# Makes the directory that is added to Pith's root for suite linux: stage.sh TREE DIRECTORY. In it are this Debian's own programs
# that the tests run, where they are here, with their interpreters and libraries, and those of the tests' dynamic programs.
# What is there is kept if no package has changed since.
set -u -o pipefail
tree=$1 directory=$2
programs=(bash dash ls timeout cat sort seq sha256sum md5sum cksum head tail wc tr cut paste join uniq comm tac nl fold od base64 expr factor
    numfmt printf stat dd cp mv rm ln mkdir rmdir mktemp touch chmod readlink realpath basename dirname du tee xargs env true
    false sleep test id date uname split shuf echo expand truncate mkfifo grep sed gawk mawk diff cmp find tar gzip perl)
[[ $directory.whole -nt /var/lib/dpkg/status && $directory.whole -nt $0 &&
    $directory.whole -nt $tree/tools/runner/needed_libraries.sh ]] && exit
rm -rf "$directory"
mkdir -p "$directory" || exit

files=() with_libraries=()
for name in "${programs[@]}"; do
    path=$(PATH=/usr/bin:/bin type -P "$name") || { echo "no program $name on this host" >&2; exit 1; }
    files+=("$path")
    with_libraries+=("$path" "$path")
done
python=$(readlink -f /usr/bin/python3)
files+=(/usr/bin/python3)
with_libraries+=("$python" /usr/bin/python3)
# What perl-base and python3-minimal bring is all that their scripts may use.
while IFS= read -r file; do
    [[ $file == /usr/lib/* && $file != */unicore/lib/* && -f $file ]] || continue
    files+=("$file")
    [[ $file == *.py ]] || continue
    name=${file##*/}
    compiled=("${file%/*}/__pycache__/${name%.py}".cpython-*[0-9].pyc)
    [[ ! -f ${compiled[0]} ]] || files+=("${compiled[0]}")
done < <(dpkg -L perl-base "lib${python##*/}-minimal")
# Of the tests' own programs: the C library and what comes with it.
for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libgcc_s.so.1; do
    files+=("/lib/x86_64-linux-gnu/$library")
done
needed=$("$tree/tools/runner/needed_libraries.sh" "${with_libraries[@]}") || exit
while IFS=: read -r host guest; do files+=("$guest"); done <<<"$needed"
directory=$(realpath "$directory")
cd / && printf '%s\0' "${files[@]}" | sort -zu | xargs -0 cp -pL --parents -t "$directory" -- && touch "$directory.whole"
