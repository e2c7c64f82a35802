#!/bin/bash -l
# Makes Alasin's environment on LUMI, from a login node and the repository's own directory:
#
#   bash -l envs/lumi.sh /projappl/project_46.../alasin [IMAGE]
#
# It leaves there, for everybody in the project:
#   packages-….sqsh   the pinned Python packages, to be bound to the image at /user-software
#   login-TIME/       a small virtual environment with Snakemake, submitit and alasin, for the login node
#   activate.sh       to be sourced before Snakemake: modules, that environment, ALASIN_IMAGE and ALASIN_PACKAGES
#
# Nothing that is there is changed but activate.sh, for a Snakemake may be at work with it; delete login-* and packages-*
# that activate.sh no longer names when all of them have ended.
#
# IMAGE is the newest lumi-multitorch-full image of LUMI's AI Factory by default; activate.sh names it, so that a newer
# one changes nothing until this script is run again. Torch, its ROCm, FlashAttention and the network's libraries come
# from the image, all else from envs/common.txt.
#
# LUMI's documentation, where names and paths may have changed since this was written:
#   https://docs.lumi-supercomputer.eu/laif/software/ai-environment/
#   https://github.com/Lumi-supercomputer/LUMI-AI-Guide

# Not `set -u`: the module command uses variables that are not set.
set -eo pipefail

die() {
    echo "envs/lumi.sh: $*" >&2
    exit 1
}

[ -n "$1" ] || die "say where the environment goes: bash -l envs/lumi.sh /projappl/project_46.../alasin"
cd "$(dirname "$0")/.."
mkdir -p "$1"
target=$(realpath "$1")
repository=$PWD

# The bindings let programs in the image see /projappl, /scratch and /flash, and find the network's libraries.
modules="module use /appl/local/laifs/modules; module load lumi-aif-singularity-bindings cray-python"
eval "$modules"
for program in singularity mksquashfs python3; do
    command -v "$program" > /dev/null || die "$program is not there; are you on a login node of LUMI?"
done

image=$2
if [ -z "$image" ]; then
    # Their names end in the time when they were built.
    images=(/appl/local/laifs/containers/lumi-multitorch-*/lumi-multitorch-full-*.sif)
    image=$(printf '%s\n' "${images[@]}" | awk -F- '{print $NF, $0}' | sort | tail -1 | cut -d' ' -f2-)
fi
[ -f "$image" ] || die "there is no image $image; give one of /appl/local/laifs/containers as the second argument."
stamp=$(date -u +%Y%m%d-%H%M%S)
packages=$target/packages-$stamp.sqsh
echo "image:    $image"
echo "packages: $packages"

# /tmp of a login node is fast with small files; only the one file made of them goes to Lustre.
build=$(mktemp -d "/tmp/alasin-$USER-XXXXXX")
trap 'rm -rf "$build"' EXIT
chmod 755 "$build"

# PYTHONPATH from outside would go before the image's own.
unset PYTHONPATH
# image.pth puts the image's packages at the end of the path. The image itself puts them at the beginning, by its own
# PYTHONPATH, which would hide pinned packages behind its versions of them; jobs set PYTHONPATH to the repository alone.
# --no-deps: the list is complete but for torch, and torch must not come from the index.
singularity exec --bind "$build:/user-software" "$image" bash -eo pipefail -c '
    from_image=$(python -c "import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])")
    unset PYTHONPATH
    python -m venv /user-software
    /user-software/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --requirement /dev/stdin
    site=$(/user-software/bin/python -c "import sysconfig; print(sysconfig.get_path(\"purelib\"))")
    echo "$from_image" > "$site/image.pth"
' < envs/common.txt

# One processor, since others use the login node too; readable for the whole project, owned by nobody in particular.
rm -f "$packages.part"
mksquashfs "$build" "$packages.part" -quiet -no-progress -processors 1 -all-root -action "chmod(a+rX) @true"
mv "$packages.part" "$packages"

# As jobs will run it: if something is missing, better now than after a night in the queue.
PYTHONPATH=$repository SINGULARITYENV_PREPEND_PATH=/user-software/bin \
    singularity exec --bind "$packages:/user-software:image-src=/" "$image" python - << 'END'
import importlib.metadata
import pathlib

import torch

import model.training.trainer

pins = dict(line.split("==") for line in pathlib.Path("envs/common.txt").read_text().split() if "==" in line)
found = {name: importlib.metadata.version(name) for name in pins}
wrong = [f"{name} is {found[name]}, not {pins[name]}" for name in pins if found[name] != pins[name]]
assert not wrong, wrong
print(f"torch:    {torch.__version__} of the image; {len(pins)} pinned packages with it")
END

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "cray-python is older than 3.11; load a newer one."
login=$target/login-$stamp
python3 -m venv "$login"
"$login/bin/pip" install --quiet --disable-pip-version-check --requirement envs/login.txt
"$login/bin/pip" install --quiet --disable-pip-version-check --no-deps --editable .

cat > "$target/activate.sh.part" << END
# Written by envs/lumi.sh. Source it before Snakemake, and say which project pays: export SBATCH_ACCOUNT=project_46...
$modules
source $(printf '%q' "$login/bin/activate")
export ALASIN_IMAGE=$(printf '%q' "$image")
export ALASIN_PACKAGES=$(printf '%q' "$packages")
END
mv "$target/activate.sh.part" "$target/activate.sh"
echo "Done. Now: source $target/activate.sh"
