# SPDX-License-Identifier: MIT
# ./pith rootfs: a Debian root as an ext4 image. Read by ./pith, whose functions it uses. What has to be done as root,
# populate.sh, runs in namespaces of its own: as an ordinary user in one where the user is root and the other owners
# are the user's subordinate ids. They end with this script, and so do their mounts.
# The image grows under a temporary name beside FILE; all else is in a temporary directory.

rootfs_file=
rootfs_size=0  # in MiB; 0: as large as it takes
rootfs_force=
rootfs_wanted=()  # packages

check_rootfs_size() {
    [[ $1 =~ ^([0-9]{1,7})([MG])$ ]] || usage_error "--size $1: must be a size such as 900M or 2G"
    rootfs_size=$((10#${BASH_REMATCH[1]}))
    [[ ${BASH_REMATCH[2]} == M ]] || rootfs_size=$((rootfs_size * 1024))
    ((rootfs_size >= 256 && rootfs_size <= 1048576)) || usage_error "--size $1: must be from 256M to 1024G"
}

check_rootfs_file() {
    local directory
    [[ $rootfs_file ]] || usage_error "rootfs needs the FILE to make"
    directory=$(dirname -- "$rootfs_file")
    [[ -d $directory ]] || usage_error "$rootfs_file: no such directory: '$directory'"
    [[ -w $directory ]] || usage_error "$rootfs_file: the directory '$directory' is not writable"
    [[ ! -d $rootfs_file ]] || usage_error "$rootfs_file: is a directory"
    if [[ -e $rootfs_file || -L $rootfs_file ]]; then
        [[ $rootfs_force ]] || usage_error "$rootfs_file: exists; --force replaces it"
        [[ -f $rootfs_file ]] || usage_error "$rootfs_file: exists, and is not a file"
    fi
}

parse_rootfs() {
    local names=()
    while (($#)); do
        case $1 in
            --size) (($# >= 2)) || usage_error "--size needs a value"; check_rootfs_size "$2"; shift ;;
            --size=*) check_rootfs_size "${1#*=}" ;;
            --force) rootfs_force=yes ;;
            --help | -h) help; exit 0 ;;
            --) shift; names+=("$@"); break ;;
            -*) usage_error "unknown option '$1'" ;;
            *) names+=("$1") ;;
        esac
        shift
    done
    rootfs_file=${names[0]-}
    rootfs_wanted=("${names[@]:1}")
    check_rootfs_file
    local package
    for package in "${rootfs_wanted[@]}"; do
        [[ $package =~ ^[a-z0-9][a-z0-9+.-]+$ ]] || usage_error "'$package': not a name of a Debian package"
    done
}

# write_sources DIRECTORY [APT-OPTION...]: the machine's own apt sources of Debian bookworm, each with its options, as
# machine.list and machine.sources. apt names each as FILE:N, the line or paragraph of a file, and only those that it
# has package lists of. Where none is said to come from Debian itself, as may be with a local archive, any will do.
write_sources() {
    local directory=$1 format='$(SOURCESENTRY)|$(ORIGIN)|$(RELEASE)|$(CODENAME)|'
    local targets entry origin release codename name
    shift
    targets=$(apt-get "$@" indextargets --format "$format" 'Created-By: Packages' 2>/dev/null | sort -u |
        while IFS='|' read -r entry origin release codename _; do
            [[ $release != bookworm* && $codename != bookworm* ]] || printf '%s|%s\n' "$origin" "$entry"
        done)
    ! grep -q '^Debian|' <<<"$targets" || targets=$(grep '^Debian|' <<<"$targets")
    while IFS= read -r entry; do
        name=${entry%:*}
        case $entry in
            *.list:+([0-9])) sed -n "${entry##*:}p" "$name" >>"$directory/machine.list" ;;
            *.sources:+([0-9]))
                awk -v wanted="${entry##*:}" 'BEGIN { RS = ""; FS = "\n" }
                    { for (i = 1; i <= NF && $i ~ /^#/; ++i); }
                    i <= NF && ++count == wanted { print $0 "\n" }' "$name" >>"$directory/machine.sources" ;;
        esac
    done < <(cut -d'|' -f2 <<<"$targets" | sort -u)
    [[ -s $directory/machine.list || -s $directory/machine.sources ]]
}

# The same with package lists fetched for it, on a machine that has none.
fetch_sources() {
    local apt=(-q -o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache")
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    apt-get "${apt[@]}" update >"$1/log" 2>&1 || { cat "$1/log" >&2; say "apt-get update failed"; return 1; }
    write_sources "$1" "${apt[@]}" || { say "this machine's apt has no source of Debian bookworm"; return 1; }
}

# How this machine's apt reaches its archive, and what it accepts from it; not what it makes of that.
write_apt_options() {
    apt-config dump | grep -Ei '^(Acquire::|APT::(Authentication|Key|Hashes|Get::AllowUnauthenticated)\b).*"' |
        grep -Eiv '^Acquire::(IndexTargets|Languages|CompressionTypes|Changelogs|GzipIndexes|cdrom)\b'
    # The credentials stay where they are.
    printf 'Dir::Etc::netrc "/etc/apt/auth.conf";\nDir::Etc::netrcparts "/etc/apt/auth.conf.d";\n'
}

# Sets rootfs_namespaces: the command in front of what has to be root.
choose_namespaces() {
    rootfs_namespaces=(unshare --mount --pid --fork --kill-child)
    if ((EUID != 0)); then
        rootfs_namespaces=(unshare --user --map-root-user --map-auto --mount --pid --fork --kill-child)
        "${rootfs_namespaces[@]}" true 2>/dev/null || {
            say "rootfs: not as root, it takes user namespaces, and ids for $(id -un) in /etc/subuid and /etc/subgid"
            exit 1
        }
    elif ! "${rootfs_namespaces[@]}" true 2>/dev/null; then
        rootfs_namespaces=()  # as in a container; then nothing can be mounted either
    fi
}

rootfs_work=
rootfs_image=
rootfs_child=

# Whatever ends this script: nothing goes on, and nothing is left.
clean_up_rootfs() {
    trap '' INT TERM HUP
    if [[ $rootfs_child ]]; then
        kill -KILL -- "-$rootfs_child" 2>/dev/null
        wait "$rootfs_child" 2>/dev/null
    fi
    [[ -z $rootfs_image ]] || rm -f -- "$rootfs_image"
    [[ $rootfs_work ]] || return
    local tries
    for ((tries = 0; tries < 50; ++tries)); do  # the last processes of a namespace may take a moment to end
        "${rootfs_namespaces[@]}" rm -rf -- "$rootfs_work" 2>/dev/null && return
        sleep 0.1
    done
    say "could not remove $rootfs_work"
}

make_rootfs() {
    parse_rootfs "$@"
    lock
    if ((EUID == 0)); then install "${rootfs_packages[@]}"; else install "${rootfs_packages[@]}" uidmap; fi
    unlock

    choose_namespaces
    trap clean_up_rootfs EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    rootfs_work=$(mktemp -d "${TMPDIR:-/tmp}/pith-rootfs-XXXXXX") || exit 1
    chmod 755 "$rootfs_work"  # apt's own user has to get at what is in it
    rootfs_image=$(mktemp -- "$(dirname -- "$rootfs_file")/.$(basename -- "$rootfs_file").XXXXXX") || exit 1
    write_sources "$rootfs_work" || fetch_sources "$rootfs_work" || exit 1
    write_apt_options >"$rootfs_work/apt.conf"

    say "making $rootfs_file (Debian bookworm; it may take a minute)"
    # A session of its own, so that all of it can be ended, and ^C is only for us.
    PITH_NAMESPACE=${rootfs_namespaces[*]} setsid "${rootfs_namespaces[@]}" bash "$root/tools/rootfs/populate.sh" \
        "$rootfs_work" "$rootfs_image" "$rootfs_size" "${rootfs_wanted[@]}" >"$rootfs_work/log" 2>&1 9>&- &
    rootfs_child=$!
    wait "$rootfs_child"
    local status=$?
    rootfs_child=
    if ((status != 0)); then
        # What populate.sh can say in one line it says; else all that was said is of interest.
        if [[ -s $rootfs_work/error ]]; then
            say "$rootfs_file: $(<"$rootfs_work/error")"
        else
            cat "$rootfs_work/log" >&2
            say "$rootfs_file: could not be made"
        fi
        exit 1
    fi
    chmod "$(printf '%o' $((0666 & ~$(umask))))" "$rootfs_image"
    [[ $rootfs_force || ! -e $rootfs_file ]] || { say "$rootfs_file: somebody else has made it meanwhile"; exit 1; }
    mv -fT -- "$rootfs_image" "$rootfs_file" || exit 1
    rootfs_image=
}
