#!/usr/bin/env bash
# Stop what up.sh started, by the pids that its daemons recorded.
#
#   down.sh [--purge]
#
# --purge also removes the cluster's files, its links in /etc/slurm and its lines in /etc/hosts.
set -euo pipefail
# shellcheck source=tests/slurm/real/cluster/common.sh
. "$(dirname -- "$0")/common.sh"
[ -e "$ROOT/.alasin" ] || exit 0

stop() { # SECONDS NAME PID_FILE... all at once; those that do not end are killed
    local tries=$(($1 * 20)) name=$2 file pid pids=() left
    shift 2
    for file in "$@"; do
        alive "$file" || continue
        pid=$(<"$file")
        # The pid may have passed to another process since it was recorded.
        [ "$(<"/proc/$pid/comm")" = "$name" ] || continue
        # A paused one could not end.
        kill -TERM "$pid" && kill -CONT "$pid"
        pids+=("$pid")
    done
    # A daemon removes its pid file before it is gone, so the process itself is waited for.
    while :; do
        left=()
        for pid in "${pids[@]}"; do [ ! -e "/proc/$pid/exe" ] || left+=("$pid"); done
        [ ${#left[@]} -gt 0 ] || break
        if ((tries-- <= 0)); then
            kill -KILL "${left[@]}" 2>/dev/null || true
            break
        fi
        sleep 0.05
    done
    rm -f "$@"
}

cancel_jobs() {
    local jobs
    jobs=$(timeout 10 squeue --noheader --format=%A | sort -u)
    [ -n "$jobs" ] || return 0
    # shellcheck disable=SC2086  # job ids
    timeout 10 scancel $jobs
    for _ in {1..60}; do
        [ -n "$(timeout 5 squeue --noheader --format=%A)" ] || return 0
        sleep 0.1
    done
}

kill_remains() { # what jobs left in the freezer cgroups of these nodes
    local node cgroup pid
    for node in "${NODES[@]}"; do
        cgroup=$FREEZER/slurm_$node
        [ -d "$cgroup" ] || continue
        find "$cgroup" -name cgroup.procs -exec cat {} + | while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done
        sleep 0.1
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

if alive "$RUN/slurmctld.pid"; then cancel_jobs || true; fi
# First: without its nodes it would wait seconds for their answers.
stop 20 slurmctld "$RUN/slurmctld.pid"
slurmds=("${NODES[@]/#/$RUN/slurmd.}")
stop 10 slurmd "${slurmds[@]/%/.pid}"
kill_remains
stop 20 slurmdbd "$RUN/slurmdbd.pid"
stop 20 mariadbd "$RUN/mariadbd.pid"
stop 5 munged "$RUN/munged.pid"
[ "${1:-}" = --purge ] || exit 0
for file in "${FILES[@]}"; do
    [ "$(readlink "/etc/slurm/$file")" != "$CONFIGURATION/$file" ] || rm "/etc/slurm/$file"
done
# Not `sed -i`, which replaces the file: in a container it is a mount.
lines=$(grep -v "$MARK\$" /etc/hosts)
printf '%s\n' "$lines" >/etc/hosts
rm -rf -- "$ROOT"
