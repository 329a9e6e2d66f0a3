#!/usr/bin/env bash
# Runs a command under cgroup v2, in a virtual machine that shows this host's files.
#
# In: a command. Out: its stdout, its stderr, its exit status. Nothing it writes reaches the host.
# Not here: what happens inside the machine (init.sh). README.md tells what the command finds there.
set -euo pipefail

usage() {
    cat <<'END'
usage: guest.sh [OPTIONS] [--] COMMAND [ARG…]

  --memory SIZE    memory of the machine, in M or G (1G)
  --timeout SECS   stop the machine after so long, and exit with 124 (300)
  --user UID       run as this user, in a delegated cgroup: /sys/fs/cgroup/user-UID/session
  --undelegated    with --user: the cgroup stays root's
  --share DIR      show this directory of the host's /tmp, /run or /dev/shm too (repeatable); the current
                   directory and the command's are always shown
  --cache DIR      where the kernel is kept (${XDG_CACHE_HOME:-~/.cache}/palisade/guest)

It exits as the command did; with 125 if the machine failed.
END
}

# The machine, not the command, failed: 125, as with `docker run` or `git bisect run`.
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    if (($#)); then printf 'hint: %s\n' "$@" >&2; fi
    exit 125
}

usage_error() {
    printf 'error: %s\n' "$1" >&2
    usage >&2
    exit 125
}

read_arguments() {
    memory=1G seconds=300 user='' delegated=yes shares=()
    cache=${XDG_CACHE_HOME:-${HOME:-/var}/.cache}/palisade/guest
    while (($#)); do
        case $1 in
        --memory | --timeout | --user | --share | --cache)
            [[ -n ${2-} ]] || usage_error "$1 needs a value"
            ;;&
        --memory) memory=$2 && shift ;;
        --timeout) seconds=$2 && shift ;;
        --user) user=$2 && shift ;;
        --share) shares+=("$2") && shift ;;
        --cache) cache=$2 && shift ;;
        --undelegated) delegated=no ;;
        --help | -h) usage && exit 0 ;;
        --) shift && break ;;
        -*) usage_error "unknown option: $1" ;;
        *) break ;;
        esac
        shift
    done
    [[ $memory =~ ^[1-9][0-9]*[MG]$ ]] || usage_error "--memory is not a size like 512M or 2G: $memory"
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || usage_error "--timeout is not a number of seconds: $seconds"
    [[ $user =~ ^([1-9][0-9]*)?$ ]] || usage_error "--user is not the number of an ordinary user: $user"
    [[ $delegated = yes || -n $user ]] || usage_error "--undelegated needs --user"
    (($#)) || usage_error "no command"
    command=("$@")
}

# One line with everything that is missing, rather than one failure after the other.
require_programs() {
    local program packages=()
    declare -A package=(
        [qemu-system-x86_64]=qemu-system-x86 [depmod]=kmod [modprobe]=kmod [cpio]=cpio [xz]=xz-utils
        [apt-get]=apt [dpkg-deb]=dpkg [flock]=util-linux [setpriv]=util-linux [timeout]=coreutils
    )
    PATH=$PATH:/usr/sbin:/sbin
    for program in "${!package[@]}"; do
        command -v "$program" >/dev/null || packages+=("${package[$program]}")
    done
    # busybox, the other package with this program, needs libraries that the initramfs does not have.
    if ! busybox=$(command -v busybox) || head -c 4096 "$busybox" | grep -qa ld-linux; then packages+=(busybox-static); fi
    ((${#packages[@]} == 0)) && return
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    fail "missing Debian packages: ${packages[*]}" \
        "apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
}

# Sets `kernel` and `modules`. The cache is filled once, under a lock; a half-filled one is never seen.
find_kernel() {
    mkdir -p "$cache"
    cache=$(realpath "$cache")
    local lock
    exec {lock}>"$cache/lock"
    flock "$lock"
    [[ -e $cache/kernel/release ]] || download_kernel
    exec {lock}>&-
    release=$(<"$cache/kernel/release")
    kernel=$cache/kernel/vmlinux
    modules=$cache/kernel/lib/modules/$release
}

# Debian's generic kernel: the cloud kernel has no 9p.
download_kernel() {
    local new=$cache/new package log=$work/download.log
    rm -rf "$new" "$cache/kernel"
    mkdir "$new"
    package=$(apt-cache depends linux-image-amd64 2>"$log" | sed -n 's/.*Depends: *\(linux-image-[0-9]\)/\1/p')
    [[ -n $package ]] || fail "apt does not know linux-image-amd64" "apt-get update"
    # apt wants to download as a user who may not enter the cache.
    (cd "$new" && apt-get -q -o APT::Sandbox::User=root download "$package") >"$log" 2>&1 || {
        cat "$log" >&2
        fail "cannot download $package" "apt-get update"
    }
    dpkg-deb -x "$new"/*.deb "$new"
    rm "$new"/*.deb
    release=$(basename "$new"/boot/vmlinuz-*)
    release=${release#vmlinuz-}
    # Debian 13 and later have a merged /usr.
    [[ -d $new/lib/modules ]] || mv "$new/usr/lib" "$new/lib"
    depmod -b "$new" "$release"
    unpack_kernel "$new/boot/vmlinuz-$release" "$new/vmlinux"
    rm -r "${new:?}/boot"
    echo "$release" >"$new/release"
    mv "$new" "$cache/kernel"
}

# Takes the ELF file out of a bzImage: qemu starts it directly (PVH), and xz in an emulated CPU takes half a second.
# Offsets: Documentation/x86/boot.rst, "setup_sects", "payload_offset", "payload_length".
unpack_kernel() {
    local image=$1 vmlinux=$2 sectors offset length
    sectors=$(od -An -tu1 -j497 -N1 "$image")
    read -r offset length < <(od -An -tu4 -j584 -N8 "$image")
    # The last four bytes of the payload are its unpacked size.
    offset=$(((sectors + 1) * 512 + offset))
    head -c $((offset + length - 4)) "$image" | tail -c +$((offset + 1)) >"$vmlinux.packed"
    if ! xz -dc <"$vmlinux.packed" >"$vmlinux" 2>/dev/null; then
        # Another compression: the kernel unpacks itself.
        cp "$image" "$vmlinux"
    fi
    rm "$vmlinux.packed"
}

# A few modules, busybox, init.sh and the job.
build_initramfs() {
    local root=$work/initramfs module file count=100
    mkdir -p "$root/bin" "$root/modules"
    cp "$busybox" "$root/bin/busybox"
    cp "$here/init.sh" "$root/init"
    chmod 755 "$root/init"
    for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
        modprobe -d "$cache/kernel" -S "$release" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
    while read -r file; do
        count=$((count + 1))
        # Numbered, because init.sh loads them in the order of their names.
        case $file in
        *.xz) xz -dc "$file" >"$root/modules/$count.ko" ;;
        *) cp "$file" "$root/modules/$count.ko" ;;
        esac
    done <"$work/modules"
    write_job >"$root/job"
    chmod 600 "$root/job"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$work/initramfs.cpio"
}

# The job as a POSIX shell fragment. Functions carry the lists, because the shell in the guest has no arrays.
write_job() {
    local variable name directory
    echo "modules=$(quote "$modules") user=$(quote "$user") group=$(quote "$group") delegated=$delegated"
    echo 'for_each_share() {'
    echo '    :'
    for directory in "${shares[@]}"; do echo "    \"\$1\" $(quote "$directory")"; done
    echo '}'
    echo 'for_environment() {'
    echo '    :'
    for variable in "${environment[@]}"; do
        name=${variable%%=*}
        case $name in
        # They name things of the host, or belong to the shell.
        TMPDIR | XDG_RUNTIME_DIR | DBUS_SESSION_BUS_ADDRESS | PWD | OLDPWD | SHLVL | _ | *[!A-Za-z0-9_]*) ;;
        *) echo "    export $name=$(quote "${variable#*=}")" ;;
        esac
    done
    echo '}'
    echo "for_command() { enter $(quote "$PWD") \"\$@\"$(printf ' %s' "$(quote_all "${command[@]}")"); }"
}

quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

quote_all() {
    local word
    for word; do quote "$word" && printf ' '; done
}

# Of the directories that the command needs, those that the fresh /tmp, /run and /dev/shm would hide.
find_shares() {
    local path directory wanted=("$PWD" "${shares[@]}")
    shares=()
    [[ ${command[0]} != /* ]] || wanted+=("$(dirname "${command[0]}")")
    for path in "${wanted[@]}"; do
        directory=$(realpath -- "$path")
        [[ -d $directory ]] || fail "no such directory: $path"
        case $directory in
        /tmp/* | /run/* | /dev/shm/*) shares+=("$directory") ;;
        esac
    done
}

run_machine() {
    local out err readers=()
    # qemu makes its descriptors non-blocking, so it gets pipes of its own.
    exec {out}> >(exec cat)
    readers+=($!)
    exec {err}> >(exec cat >&2)
    readers+=($!)
    # la57=off: five-level page tables make every TLB miss dearer. cryptomgr.notests: 0.7 s of self-tests.
    # setpriv: timeout, and so qemu, ends when this script is killed.
    setpriv --pdeathsig TERM timeout --kill-after=5 "$seconds" \
        qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m "$memory" \
        -nodefaults -no-user-config -display none -monitor none -no-reboot -serial "file:$work/console" \
        -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=host,mount_tag=host \
        -device virtio-serial-pci \
        -chardev "file,id=out,path=/dev/fd/$out" -device virtserialport,chardev=out,nr=1 \
        -chardev "file,id=err,path=/dev/fd/$err" -device virtserialport,chardev=err,nr=2 \
        -chardev "file,id=status,path=$work/status" -device virtserialport,chardev=status,nr=3 \
        -kernel "$kernel" -initrd "$work/initramfs.cpio" \
        -append "console=ttyS0 quiet panic=-1 reboot=t mitigations=off cryptomgr.notests tsc=reliable no_timer_check" \
        </dev/null >"$work/qemu.log" 2>&1 &
    machine=$!
    exec {out}>&- {err}>&-
    machine_status=0
    wait "$machine" || machine_status=$?
    machine=''
    wait "${readers[@]}" || :
}

# shellcheck disable=SC2317 # called by the trap, also when a signal ends the script
clean_up() {
    trap - EXIT
    if [[ -n ${machine-} ]]; then
        kill "$machine" 2>/dev/null || :
        wait "$machine" 2>/dev/null || :
    fi
    rm -rf "$work"
}

[[ $(uname -m) = x86_64 ]] || fail "the machine is an x86_64 one, this host is not: $(uname -m)"
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
mapfile -d '' environment < <(env -0)
read_arguments "$@"
require_programs
work=$(mktemp -d "${TMPDIR:-/tmp}/palisade-guest.XXXXXXXX")
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
group=$user
if [[ -n $user ]]; then group=$({ getent passwd "$user" || echo "::$user:$user"; } | cut -d: -f4); fi
find_shares
find_kernel
build_initramfs
run_machine
if [[ -s $work/status ]]; then exit "$(<"$work/status")"; fi
if ((machine_status == 124 || machine_status == 137)); then
    # Empty, unless the kernel has had something to complain about.
    tail -n 20 "$work/console" >&2 || :
    printf 'error: the command was stopped: it ran for %s s, the limit\nhint: raise it with --timeout\n' "$seconds" >&2
    exit 124
fi
# Before the panic that the end of process 1 is: its last words.
{ cat "$work/qemu.log" && sed '/Kernel panic/q' "$work/console" | tail -n 20; } >&2 || :
fail "the machine ended without the command's exit status (qemu: $machine_status)"
