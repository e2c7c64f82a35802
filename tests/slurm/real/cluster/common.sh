# shellcheck shell=bash disable=SC2034  # the scripts that source this use these
# What up.sh, node.sh and down.sh share.

# State, logs, recorded pids and configuration of the cluster all lie below ROOT.
ROOT=$(realpath -m -- "${ALASIN_TEST_SLURM:-${TMPDIR:-/tmp}/alasin-test-slurm}")
RUN=$ROOT/run LOG=$ROOT/log CONFIGURATION=$ROOT/etc
HERE=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
FILES=(slurm.conf gres.conf cgroup.conf slurmdbd.conf)
NODES=(nid005001 nid005002 nid001001 nid001002 nid001003)
ACCOUNT=project_465000001
# Ends the lines of /etc/hosts that down.sh --purge takes out again.
MARK='# alasin-test-slurm'
FREEZER=/sys/fs/cgroup/freezer

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Whether the process of a pid file runs. `kill -0` would also find a zombie, and some machines reap late.
alive() { [ -s "$1" ] && [ -e "/proc/$(<"$1")/exe" ]; }

# A host name of its own (a UTS namespace) lets jobs see several hosts, and node.sh find a node's processes.
start_slurmd() {
    rm -f "$RUN/slurmd.$1.pid"
    mkdir -p "$ROOT/spool/$1"
    # shellcheck disable=SC2016  # for the inner shell
    unshare --uts sh -c 'hostname "$1"; exec slurmd -N "$1"' sh "$1"
}
