#!/bin/bash

# Parameters
#SBATCH --account=project_465000001
#SBATCH --cpus-per-task=7
#SBATCH --error=/scratch/project_465000001/finnish/results/runs/large/stable/jobs/%j_0_log.err
#SBATCH --gpus-per-node=2
#SBATCH --hold
#SBATCH --job-name=large.stable-a12594
#SBATCH --mem=120G
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --open-mode=append
#SBATCH --output=/scratch/project_465000001/finnish/results/runs/large/stable/jobs/%j_0_log.out
#SBATCH --partition=small-g
#SBATCH --requeue
#SBATCH --signal=USR2@300
#SBATCH --time=2880
#SBATCH --wckey=''

# setup
module use /appl/local/laifs/modules
module load lumi-aif-singularity-bindings
# So that ranks which see no GPU do not train without it.
export ALASIN_DEVICES=2
export PYTHONNOUSERSITE="1"
export SINGULARITYENV_PREPEND_PATH="/user-software/bin"
export NCCL_SOCKET_IFNAME="hsn0,hsn1,hsn2,hsn3"
export NCCL_NET_GDR_LEVEL="PHB"
export FI_CXI_DEFAULT_CQ_SIZE="262144"
export MIOPEN_USER_DB_PATH="/tmp/miopen-$USER-$SLURM_JOB_ID"
export MIOPEN_CUSTOM_CACHE_DIR="/tmp/miopen-$USER-$SLURM_JOB_ID"
export TORCH_EXTENSIONS_DIR="/tmp/torch-extensions-$USER-$SLURM_JOB_ID"
export OMP_NUM_THREADS="1"
export CUDA_DEVICE_MAX_CONNECTIONS="1"
export HSA_FORCE_FINE_GRAIN_PCIE="1"
export HSA_ENABLE_SDMA="0"
export PYTHONPATH=/projappl/project_465000001/alasin-code SUBMITIT_LOG_LEVEL=ERROR
# The first node's name, found here because a container has no scontrol; a port of the job's own.
export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_PORT=$((20000 + (SLURM_JOB_ID + 97 * ${SLURM_RESTART_COUNT:-0}) % 10000))
# How Slurm ended the run before this one, if it did so by itself.
export ALASIN_ENDED_AS=""
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
  ALASIN_ENDED_AS=$(sacct -D -n -X -P -j "$SLURM_JOB_ID" -o State 2>/dev/null | tail -n 2 | head -n 1)
fi

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /scratch/project_465000001/finnish/results/runs/large/stable/jobs/%j_%t_log.out --error /scratch/project_465000001/finnish/results/runs/large/stable/jobs/%j_%t_log.err --export=ALL --kill-on-bad-exit=1 --wait=120 --cpus-per-task=7 singularity exec --bind /projappl/project_465000001/alasin/packages.sqsh:/user-software:image-src=/ /projappl/project_465000001/alasin/image.sif /bin/sh /projappl/project_465000001/alasin-code/slurm/node/hold_signals.sh python -u -m submitit.core._submit /scratch/project_465000001/finnish/results/runs/large/stable/jobs


# teardown
status=$?
singularity exec --bind /projappl/project_465000001/alasin/packages.sqsh:/user-software:image-src=/ /projappl/project_465000001/alasin/image.sif python -m slurm.node.aftermath --folder /scratch/project_465000001/finnish/results/runs/large/stable --done /scratch/project_465000001/finnish/results/runs/large/stable/checkpoint.json --signal-seconds 300
if [ $? -eq 75 ]; then
  # Not if Slurm gave this run up, its node was away, and has put the job back by itself: another run trains.
  current=$(scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p')
  if [ -n "$current" ] && [ "$current" != "${SLURM_RESTART_COUNT:-0}" ]; then exit "$status"; fi
  # The controller may be away for some minutes.
  for attempt in $(seq 20); do
    scontrol requeue "$SLURM_JOB_ID" && break
    sleep 30
  done
fi
exit "$status"
