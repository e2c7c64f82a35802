#!/usr/bin/env bash
# Let one node of the test cluster fail, or bring it back.
#
#   node.sh crash NODE     all its processes die at once
#   node.sh start NODE     its slurmd starts, unless it runs
#   node.sh pause NODE     its slurmd answers no more, while its jobs run on: a node that lost its network
#   node.sh resume NODE    it answers again
set -euo pipefail
# shellcheck source=tests/slurm/real/cluster/common.sh
. "$(dirname -- "$0")/common.sh"

action=${1:-} node=${2:-}
[[ " ${NODES[*]} " == *" $node "* ]] || die "there is no node '$node'; choose one of ${NODES[*]}."
pid_file=$RUN/slurmd.$node.pid
if [ "$action" != start ] && ! alive "$pid_file"; then die "slurmd of $node does not run."; fi

crash() {
    local pid space own entry
    pid=$(<"$pid_file")
    space=$(readlink "/proc/$pid/ns/uts")
    own=$(readlink /proc/self/ns/uts)
    kill -KILL "$pid"
    [ "$space" != "$own" ] || die "slurmd of $node has no host name of its own, so that only it was killed."
    # Once more for what a dying process has started meanwhile.
    for _ in 1 2 3; do
        for entry in /proc/[0-9]*; do
            [ "$(readlink "$entry/ns/uts" 2>/dev/null)" != "$space" ] || kill -KILL "${entry#/proc/}" 2>/dev/null || true
        done
    done
}

case $action in
crash) crash ;;
start) alive "$pid_file" || start_slurmd "$node" ;;
pause) kill -STOP "$(<"$pid_file")" ;;
resume) kill -CONT "$(<"$pid_file")" ;;
*) die "there is no action '$action'; choose crash, start, pause or resume." ;;
esac
