#!/bin/busybox sh
# PID 1 of the guest that guest.sh boots. Not for use anywhere else.
#
# In: /job, written by guest.sh (shell variables and functions). Out: the command's output on the virtio-serial ports 1
# and 2, its exit status on port 3. Not here: qemu and the kernel (guest.sh).
#
# Every program of its own is a busybox applet from memory: a program read through 9p costs 60 ms or more. Debian's
# busybox runs its applets even for `exec NAME`, so the command itself is always started by a path.
# shellcheck disable=SC1091,SC2154 # the job defines the variables that nothing here does
set -eu

bb=/run/guest/busybox

# In the initramfs: builds the file tree and moves into it. A plain chroot would not do, because the kernel refuses user
# namespaces to a process in one.
build_root() {
    . /job
    # busybox finds itself, and so its applets, through /proc.
    /bin/busybox mkdir -p /proc
    /bin/busybox mount -t proc proc /proc
    for module in /modules/*; do insmod "$module"; done
    mkdir -p /host /write /root
    mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host
    mount -t tmpfs -o mode=755 upper /write
    mkdir /write/upper /write/work
    mount -t overlay -o lowerdir=/host,upperdir=/write/upper,workdir=/write/work root /root
    # Any of these may be missing on a slim host.
    mkdir -p /root/proc /root/sys /root/dev /root/tmp /root/run
    mount -t proc -o nosuid,nodev,noexec proc /root/proc
    mount -t sysfs -o nosuid,nodev,noexec sysfs /root/sys
    mount -t devtmpfs -o nosuid,mode=755 dev /root/dev
    mkdir -p /root/dev/pts /root/dev/shm /root/dev/mqueue
    mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /root/dev/pts
    mount -t tmpfs -o nosuid,nodev,mode=1777 shm /root/dev/shm
    mount -t mqueue -o nosuid,nodev,noexec mqueue /root/dev/mqueue
    # The host's /tmp and /run under the fresh ones.
    mkdir /under
    mount --bind /root /under
    mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /root/tmp
    mount -t tmpfs -o nosuid,nodev,mode=755 run /root/run
    for_each_share share
    mkdir -p /root/run/guest/modules /root/run/lock
    chmod 1777 /root/run/lock
    mount --bind "/under$modules" /root/run/guest/modules
    umount /under
    cp /bin/busybox /init /job /root/run/guest/
    umount /proc
    exec /bin/busybox switch_root /root "$bb" sh /run/guest/init in-root
}

# Brings a directory of the host's /tmp, /run or /dev/shm back.
share() {
    mkdir -p "/root$1"
    mount --bind "/under$1" "/root$1"
}

# In the final file tree: kernel interfaces, cgroups, then the command.
run_job() {
    . /run/guest/job
    rm /run/guest/job
    # A link, not a mount: with a mount below /usr, no user namespace could use /usr as an overlay's lower layer.
    mkdir -p /lib/modules
    ln -sfn /run/guest/modules "/lib/modules/$(uname -r)"
    prepare_kernel
    prepare_dev
    prepare_cgroups
    if [ -n "$user" ]; then prepare_user; fi
    # systemd does this on every ordinary host; a sandbox must cope with it.
    mount --make-rshared /
    run_command
    echo "$status" >"$(port 3)"
    reboot -nf
}

prepare_kernel() {
    mount -t securityfs -o nosuid,nodev,noexec securityfs /sys/kernel/security
    [ ! -e /proc/sys/kernel/unprivileged_userns_clone ] || echo 1 >/proc/sys/kernel/unprivileged_userns_clone
    hostname guest
    ip link set lo up
    # What systemd gives: 1024 soft, so that select() is safe, and a hard limit that nothing reaches.
    ulimit -Hn 524288
}

# udev would do this: links, and device nodes whose modules are loaded when they are first opened.
prepare_dev() {
    ln -sfn /proc/self/fd /dev/fd
    ln -sfn /proc/self/fd/0 /dev/stdin
    ln -sfn /proc/self/fd/1 /dev/stdout
    ln -sfn /proc/self/fd/2 /dev/stderr
    mkdir -p /dev/net
    [ -e /dev/fuse ] || mknod /dev/fuse c 10 229
    [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
    [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
    chmod 666 /dev/fuse /dev/net/tun
}

prepare_cgroups() {
    mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
    echo '+cpu +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
    [ -n "$user" ] || return 0
    slice=/sys/fs/cgroup/user-$user
    mkdir "$slice"
    echo '+cpu +memory +pids' >"$slice/cgroup.subtree_control"
    mkdir "$slice/session"
    if [ "$delegated" = yes ]; then
        # The directory and these files only: the limits of the slice stay root's.
        chown "$user:$group" "$slice" "$slice/cgroup.procs" "$slice/cgroup.subtree_control" "$slice/cgroup.threads"
        chown -R "$user:$group" "$slice/session"
    fi
}

# An account for the UID, where the host has none, and the directories a login gives it.
prepare_user() {
    account=$(awk -F: -v uid="$user" '$3 == uid { print $1 ":" $6; exit }' /etc/passwd)
    if [ -z "$account" ]; then
        account="guest-$user:/home/guest-$user"
        echo "guest-$user:x:$user:$group::/home/guest-$user:/bin/sh" >>/etc/passwd
        echo "guest-$user:x:$group:" >>/etc/group
    fi
    name=${account%%:*}
    home=${account#*:}
    if [ ! -d "$home" ]; then
        mkdir -p "$home"
        chown "$user:$group" "$home"
    fi
    mkdir -p "/run/user/$user"
    chmod 700 "/run/user/$user"
    chown "$user:$group" "/run/user/$user"
}

# Sets `status`. The output goes through pipes, as on the host: a virtio port cannot be opened twice, so a
# program that opens /dev/stdout would fail on one.
run_command() {
    mkfifo /run/guest/out /run/guest/err
    for port in 1 2 3; do
        # The ports appear a moment after their driver.
        until [ -c "$(port $port)" ]; do usleep 2000; done
    done
    cat </run/guest/out >"$(port 1)" &
    cats=" $! "
    cat </run/guest/err >"$(port 2)" &
    cats="$cats$! "
    as_job </dev/null >/run/guest/out 2>/run/guest/err &
    status=0
    wait $! || status=$?
    # What the command left behind holds the pipes open. Kernel threads ignore this.
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        case "$cats 1 " in
        *" $pid "*) ;;
        *) kill -9 "$pid" 2>/dev/null || : ;;
        esac
    done
    wait
}

# The device of a virtio-serial port. The first number depends on how many virtio devices there are.
port() { echo /dev/vport*p"$1"; }

# Becomes the command.
as_job() {
    for_environment
    if [ -n "$user" ]; then
        echo 0 >"/sys/fs/cgroup/user-$user/session/cgroup.procs"
        export HOME="$home" USER="$name" LOGNAME="$name" XDG_RUNTIME_DIR="/run/user/$user"
        # root's own may lead through directories that only root can enter.
        export PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
        for_command /usr/bin/setpriv --reuid "$user" --regid "$group" --init-groups --
    else
        for_command /usr/bin/env --
    fi
}

# Enters the caller's directory and starts `$@` in a session of its own, so that a signal to the process group stays
# within the command.
enter() {
    directory=$1
    shift
    cd "$directory" || exit 125
    exec "$bb" setsid "$@"
}

if [ "${1-}" = in-root ]; then run_job; else build_root; fi
