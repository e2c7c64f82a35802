#!/usr/bin/env bash
# Start a Slurm with LUMI's partitions on this machine: five nodes that share it, with accounting, on loopback only.
#
#   up.sh [--install]
#
# Run again, it starts whatever has died. --install installs the Debian packages that are missing.
set -euo pipefail
umask 022
# shellcheck source=tests/slurm/real/cluster/common.sh
. "$(dirname -- "$0")/common.sh"

wait_for() { # SECONDS WHAT COMMAND...
    local tries=$(($1 * 10)) what=$2 said
    shift 2
    until said=$("$@" 2>&1 >/dev/null); do
        ((tries-- > 0)) || die "$what did not come up; read the logs in $LOG. $said"
        sleep 0.1
    done
}

check_machine() {
    [ "$(id -u)" = 0 ] || die "only root can start a cluster; run this as root on a machine for tests."
    [[ $ROOT =~ ^[A-Za-z0-9/._+-]{1,60}$ ]] ||
        die "$ROOT cannot be put into Slurm's configuration; set ALASIN_TEST_SLURM to a short path without blanks."
    [ ! -e "$ROOT" ] || [ -e "$ROOT/.alasin" ] ||
        die "$ROOT is there already and holds no test cluster; set ALASIN_TEST_SLURM to another directory."
    unshare --uts true 2>/dev/null ||
        die "this machine does not allow host names of their own (unshare --uts); use a virtual machine or a privileged container."
    local target
    target=$(readlink /etc/slurm/slurm.conf || true)
    if [ "$target" != "$CONFIGURATION/slurm.conf" ] && [ -e /etc/slurm/slurm.conf ]; then
        [ -e "${target%/etc/slurm.conf}/.alasin" ] || die "this machine has a Slurm of its own (/etc/slurm/slurm.conf); use another machine."
        die "a test cluster in ${target%/etc/slurm.conf} is up; stop it first with ALASIN_TEST_SLURM=${target%/etc/slurm.conf} $HERE/down.sh --purge."
    fi
}

install_packages() {
    local packages=(slurmctld slurmd slurm-client slurmdbd slurm-wlm-mysql-plugin munge mariadb-server) missing=() package
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "install Slurm ${packages[*]} in this system's way; only apt-get is known here."
    local policy=/usr/sbin/policy-rc.d ours='' log
    log=$(mktemp)
    # Packages start their daemons when they are installed, unless this script forbids it.
    if [ ! -e "$policy" ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    echo "Installing ${missing[*]}."
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        [ -z "$ours" ] || rm -f "$policy"
        tail -n 20 "$log" >&2
        die "apt-get could not install ${missing[*]}; its whole log is $log."
    fi
    [ -z "$ours" ] || rm -f "$policy"
    rm -f "$log"
}

write_configuration() {
    mkdir -p "$CONFIGURATION" "$RUN" "$LOG" "$ROOT/dev" "$ROOT/spool" /etc/slurm
    mkdir -p "$ROOT/state"
    touch "$ROOT/.alasin"
    local host proctrack=cgroup file node gpu
    host=$(hostname -s)
    # Without the freezer a process whose parent has died escapes Slurm, outlives its job, and the node is drained.
    [ -w "$FREEZER/tasks" ] || proctrack=linuxproc
    for file in "${FILES[@]}"; do
        sed "s|@ROOT@|$ROOT|; s|@HOST@|$host|; s|@PROCTRACK@|$proctrack|" "$HERE/config/$file" >"$CONFIGURATION/$file.new"
        if alive "$RUN/slurmctld.pid" && ! cmp -s "$CONFIGURATION/$file.new" "$CONFIGURATION/$file"; then
            die "the cluster in $ROOT is up with another $file; stop it first with $HERE/down.sh --purge."
        fi
        # slurmdbd refuses a configuration that others can read.
        chmod 600 "$CONFIGURATION/$file.new"
        [ "$file" = slurmdbd.conf ] || chmod 644 "$CONFIGURATION/$file.new"
        mv "$CONFIGURATION/$file.new" "$CONFIGURATION/$file"
        # submitit strips SLURM_CONF from the environment of jobs; this path every program finds without it.
        ln -sfn "$CONFIGURATION/$file" "/etc/slurm/$file"
    done
    for gpu in 0 1 2 3 4 5 6 7; do
        [ -c "$ROOT/dev/gpu$gpu" ] || mknod -m 666 "$ROOT/dev/gpu$gpu" c 1 3
    done
    for node in "$host" "${NODES[@]}"; do
        getent ahostsv4 "$node" | grep -q '^127\.0\.0\.1 ' || echo "127.0.0.1 $node $MARK" >>/etc/hosts
    done
}

munge_works() { munge -n 2>/dev/null | unmunge >/dev/null 2>&1; }

start_munge() {
    munge_works && return
    [ -s "$RUN/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$RUN/munge.key")
    # sacctmgr and slurmdbd look nowhere but at the default socket.
    mkdir -p /run/munge
    munged --force --key-file="$RUN/munge.key" --socket=/run/munge/munge.socket.2 --pid-file="$RUN/munged.pid" \
        --log-file="$LOG/munged.log" --seed-file="$RUN/munged.seed" --num-threads=10
    wait_for 10 munged munge_works
}

start_accounting() {
    export MYSQL_UNIX_PORT=$RUN/mariadbd.sock
    if ! alive "$RUN/mariadbd.pid"; then
        [ -d "$ROOT/database/mysql" ] || mariadb-install-db --no-defaults --user=root --datadir="$ROOT/database" \
            --auth-root-authentication-method=normal --skip-test-db --innodb-log-file-size=16M >"$LOG/mariadb-install-db.log" 2>&1
        setsid mariadbd --no-defaults --user=root --datadir="$ROOT/database" --socket="$MYSQL_UNIX_PORT" \
            --pid-file="$RUN/mariadbd.pid" --skip-networking --skip-grant-tables --skip-log-bin --innodb-buffer-pool-size=64M \
            --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 \
            </dev/null >>"$LOG/mariadbd.log" 2>&1 &
        wait_for 30 mariadbd mariadb --no-defaults -e 'select 1'
    fi
    if ! alive "$RUN/slurmdbd.pid"; then
        slurmdbd
        wait_for 30 slurmdbd sacctmgr -n list cluster
    fi
    sacctmgr -n -P list association cluster=lumi user=root format=account | grep -qx "$ACCOUNT" && return
    {
        sacctmgr -i -Q add cluster lumi
        sacctmgr -i -Q add account "$ACCOUNT" Cluster=lumi
        sacctmgr -i -Q add user root Account="$ACCOUNT"
        # A job that names no account falls to this one and is refused, as LUMI refuses it.
        sacctmgr -i -Q modify user root where account=root cluster=lumi set MaxSubmitJobs=0
    } >"$LOG/sacctmgr.log" 2>&1 || die "the account could not be made; read $LOG/sacctmgr.log."
}

controller_answers() { scontrol ping | grep -q 'is UP'; }

nodes_ready() {
    local ready
    ready=$(sinfo --noheader --Node --format='%N %t' | sort -u | grep -cE ' (idle|mix|alloc|comp|plnd)$')
    [ "$ready" = ${#NODES[@]} ]
}

start_nodes() {
    local node
    for node in "${NODES[@]}"; do
        alive "$RUN/slurmd.$node.pid" || start_slurmd "$node"
    done
    for node in "${NODES[@]}"; do
        wait_for 20 "slurmd of $node" test -s "$RUN/slurmd.$node.pid"
        case $(sinfo --noheader --nodes="$node" --format=%t | head -n 1) in
        down* | drain* | drng* | fail*) scontrol update NodeName="$node" State=RESUME || true ;;
        esac
    done
    wait_for 60 "the nodes" nodes_ready
}

check_machine
if [ "${1:-}" = --install ]; then install_packages; fi
for program in slurmctld slurmd slurmdbd munged mariadbd; do
    command -v "$program" >/dev/null || die "$program is missing; run $HERE/up.sh --install, which installs Debian's packages of Slurm."
done
write_configuration
start_munge
start_accounting
if ! alive "$RUN/slurmctld.pid"; then slurmctld; fi
wait_for 20 slurmctld controller_answers
start_nodes
