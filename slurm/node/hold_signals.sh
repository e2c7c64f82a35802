# Runs its arguments, with the signals by which Slurm asks for a checkpoint held back until a rank can handle them: one
# that came before would be deadly to it.
if env --block-signal=USR2,TERM true 2>/dev/null; then
  exec env --block-signal=USR2,TERM "$@"
fi
# coreutils before 8.31 (RHEL 8): lost while Python starts, which is as good as long as one rank hears them.
trap '' USR2 TERM
exec "$@"
