#!/bin/bash
# SPDX-License-Identifier: MIT
# What dynamic programs need in the guest: their interpreter, and their libraries with those that these need.
#
#   needed_libraries.sh HOSTFILE GUESTPATH [HOSTFILE GUESTPATH]...
#
# prints HOSTFILE:GUESTPATH for each, as --add takes it. They are found as ld.so finds them: DT_RUNPATH or DT_RPATH, ld.so.cache
# (through ldconfig -p), the default directories; only by reading files, nothing is executed. What another of the
# arguments supplies (or a directory among them) need not be there. Status 2, with one line: something is not on this host. It is a shell script
# because this is checked before anything is built.
set -u -o pipefail
shopt -s nullglob

readonly default_directories=(/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib /usr/lib /lib64 /usr/lib64)
readonly cache=/etc/ld.so.cache

fail() { printf 'pith: --add %s (see ./pith --help)\n' "$*" >&2; exit 2; }

# numbers FILE OFFSET SIZE: its 64-bit words, as numbers in `words`.
numbers() { read -r -d '' -a words < <(od -An -v -t u8 -j "$2" -N "$3" -- "$1" 2>/dev/null); }
# text FILE OFFSET: the string there, in `string`.
text() { IFS= read -r -d '' string < <(tail -c "+$(($2 + 1))" -- "$1" 2>/dev/null); }

# elf FILE: whether it is an ELF file for x86-64 Linux; sets its program headers' place.
elf() {
    local -a words
    local ident
    ident=$(od -An -v -t x1 -N 6 -- "$1" 2>/dev/null) && [[ $ident == ' 7f 45 4c 46 02 01' ]] || return 1
    numbers "$1" 0 64
    ((${#words[@]} == 8 && (words[2] >> 16 & 0xffff) == 62)) || return 1
    table=${words[4]} count=$((words[7] & 0xffff)) entry=$((words[6] >> 48 & 0xffff))
    ((entry == 56 && count < 512))
}

# read_dynamic FILE: interpreter, needed (an array), runpath and rpath of it. Status 1: it is no ELF file.
read_dynamic() {
    local file=$1 table count entry i string type offset=0 size=0 strings=0 address
    local -a words headers names=()
    interpreter= runpath= rpath= needed=()
    elf "$file" || return 1
    numbers "$file" "$table" $((count * 56))
    headers=("${words[@]}")
    ((${#headers[@]} == count * 7)) || return 1
    for ((i = 0; i < count * 7; i += 7)); do
        type=$((headers[i] & 0xffffffff))
        if ((type == 2)); then
            offset=${headers[i + 1]} size=${headers[i + 4]}
        elif ((type == 3)); then
            text "$file" "${headers[i + 1]}"
            interpreter=$string
        fi
    done
    ((size > 0 && size <= 65536)) || return 0
    numbers "$file" "$offset" "$size"
    for ((i = 0; i + 1 < ${#words[@]} && words[i] != 0; i += 2)); do
        case ${words[i]} in
            1 | 15 | 29) names+=("${words[i]}" "${words[i + 1]}") ;;
            5) strings=${words[i + 1]} ;;
        esac
    done
    for ((i = 0; i < count * 7; i += 7)); do
        address=${headers[i + 2]}
        (((headers[i] & 0xffffffff) == 1 && strings >= address && strings < address + headers[i + 4])) || continue
        strings=$((strings - address + headers[i + 1]))
        break
    done
    for ((i = 0; i < ${#names[@]}; i += 2)); do
        text "$file" $((strings + names[i + 1]))
        case ${names[i]} in
            1) needed+=("$string") ;;
            15) rpath=$string ;;
            29) runpath=$string ;;
        esac
    done
}

declare -A cached
read_cache() {
    local line ldconfig
    [[ ${cached[.]-} ]] && return
    cached[.]=read
    ldconfig=$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig) || return
    while IFS= read -r line; do
        [[ $line =~ ^[[:space:]]+([^ ]+)\ \(libc6,x86-64(,\ OS\ ABI:[^\)]*)?\)\ =\>\ (/.*)$ ]] || continue
        [[ ${cached[${BASH_REMATCH[1]}]-} ]] || cached[${BASH_REMATCH[1]}]=${BASH_REMATCH[3]}
    done < <("$ldconfig" -p 2>/dev/null)
}

# in_path NAME PATH HOSTORIGIN GUESTORIGIN: sets `host` and `guest` if it is in one of these directories.
in_path() {
    local directory table count entry
    local -a directories
    IFS=: read -r -a directories <<<"$2"
    for directory in "${directories[@]}"; do
        [[ $directory ]] || continue
        host=${directory//'$ORIGIN'/$3} guest=${directory//'$ORIGIN'/$4}
        host=${host//'${ORIGIN}'/$3}/$1 guest=${guest//'${ORIGIN}'/$4}/$1
        [[ -f $host ]] && elf "$host" && return
    done
    return 1
}

# find_library NAME: sets `host` and `guest`; searches on behalf of the object whose paths and origins are set.
find_library() {
    local table count entry directory
    if [[ $1 == */* ]]; then
        host=$1 guest=$1
        [[ -f $host ]]
        return
    fi
    in_path "$1" "${runpath:-$rpath:$program_rpath}" "$host_origin" "$guest_origin" && return
    read_cache
    host=${cached[$1]-} guest=$host
    [[ $host && -f $host ]] && return
    for directory in "${default_directories[@]}"; do
        host=$directory/$1 guest=$host
        [[ -f $host ]] && elf "$host" && return
    done
    return 1
}

# supplied NAME: whether one of the arguments is, or has in it, a file of that name.
supplied() {
    local i
    for ((i = 0; i < ${#arguments[@]}; i += 2)); do
        [[ ${arguments[i + 1]##*/} == "${1##*/}" ]] && return
        [[ -d ${arguments[i]} && $(find "${arguments[i]}" -name "${1##*/}" -print -quit) ]] && return
    done
    return 1
}

# Without "..", which guest paths may not have.
normal() {
    local part result=
    local -a parts
    IFS=/ read -r -a parts <<<"$1"
    for part in "${parts[@]}"; do
        case $part in
            '' | .) ;;
            ..) result=${result%/*} ;;
            *) result+=/$part ;;
        esac
    done
    printf '%s' "$result"
}

declare -A known
ship_cache=
ship() {
    local place
    place=$(normal "$2")
    [[ ${known[$place]-} ]] && return 1
    known[$place]=$1
    printf '%s:%s\n' "$(readlink -f -- "$1")" "$place"
}

# follow PROGRAM FILE GUESTPATH: ships what FILE needs.
follow() {
    local program=$1 interpreter runpath rpath needed name host guest host_origin guest_origin
    host_origin=$(dirname -- "$(readlink -f -- "$2")") guest_origin=$(dirname -- "$3")
    read_dynamic "$2" || return 0
    [[ $2 == "$program" ]] && program_rpath=$rpath
    if [[ $interpreter && ! ${known[$interpreter]-} ]]; then
        if [[ -f $interpreter ]]; then
            known[name:${interpreter##*/}]=yes  # libc needs it, too
            ship "$interpreter" "$interpreter"
        elif ! supplied "$interpreter"; then
            fail "$program: its interpreter $interpreter is not on this host"
        fi
    fi
    for name in "${needed[@]}"; do
        [[ ${known[name:$name]-} ]] && continue
        known[name:$name]=yes
        supplied "$name" && continue
        find_library "$name" || fail "$program: ${2##*/} needs the library $name, which is not on this host"
        [[ " ${default_directories[*]} " == *" ${guest%/*} "* || ${cached[$name]-} != "$host" ]] || ship_cache=yes
        ship "$host" "$guest" && follow "$program" "$host" "$guest"
    done
}

arguments=("$@")
for ((i = 0; i + 1 < ${#arguments[@]}; i += 2)); do
    [[ -f ${arguments[i]} ]] || continue
    program_rpath=
    follow "${arguments[i]}" "${arguments[i]}" "${arguments[i + 1]}"
done
[[ ! $ship_cache ]] || ship "$cache" "$cache"
exit 0
