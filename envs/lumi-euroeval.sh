#!/bin/bash -l
# Makes EuroEval's environment on LUMI (`evaluation.euroeval` of a recipe), after envs/lumi.sh and from a login node:
#
#   bash -l envs/lumi-euroeval.sh /projappl/project_46.../alasin
#
# It leaves beside what envs/lumi.sh left
#   euroeval-….sqsh   the packages of envs/euroeval.txt, to be bound to the image at /user-euroeval
# and adds to activate.sh there ALASIN_EUROEVAL_PACKAGES, that file, and ALASIN_EUROEVAL, where jobs find it. Run it again
# after each run of envs/lumi.sh, which writes activate.sh anew.

# Not `set -u`: the module command uses variables that are not set.
set -eo pipefail

die() {
    echo "envs/lumi-euroeval.sh: $*" >&2
    exit 1
}

[ -f "$1/activate.sh" ] || die "say where envs/lumi.sh made its environment: the directory with activate.sh"
cd "$(dirname "$0")/.."
target=$(realpath "$1")
repository=$PWD
source "$target/activate.sh"
packages=$target/euroeval-$(date -u +%Y%m%d-%H%M%S).sqsh

build=$(mktemp -d "/tmp/alasin-$USER-XXXXXX")
trap 'rm -rf "$build"' EXIT
chmod 755 "$build"
unset PYTHONPATH

# Of the image only torch and what it is made of is linked. Its other packages, vLLM and transformers among them, are of
# versions that EuroEval would take notice of and cannot use, so they are not even at the end of the path.
singularity exec --bind "$build:/user-euroeval" "$ALASIN_IMAGE" bash -eo pipefail -c '
    from_image=$(python -c "import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])")
    unset PYTHONPATH
    python -m venv /user-euroeval
    /user-euroeval/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --requirement /dev/stdin
    site=$(/user-euroeval/bin/python -c "import sysconfig; print(sysconfig.get_path(\"purelib\"))")
    for name in torch torch-*.dist-info torchgen functorch triton triton-*.dist-info pytorch_triton*; do
        for path in "$from_image"/$name; do
            [ ! -e "$path" ] || ln -s "$path" "$site/"
        done
    done
' < envs/euroeval.txt

rm -f "$packages.part"
mksquashfs "$build" "$packages.part" -quiet -no-progress -processors 1 -all-root -action "chmod(a+rX) @true"
mv "$packages.part" "$packages"

# As jobs will find it.
PYTHONPATH=$repository ALASIN_EUROEVAL=/user-euroeval singularity exec \
    --bind "$ALASIN_PACKAGES:/user-software:image-src=/" --bind "$packages:/user-euroeval:image-src=/" "$ALASIN_IMAGE" \
    bash -eo pipefail -c '
    /user-software/bin/python -m evaluation.euroeval.environment
    /user-euroeval/bin/python -I -c "import torch, euroeval; print(torch.__version__)"
'

# What an earlier run of this script added is replaced.
sed '/ALASIN_EUROEVAL/d' "$target/activate.sh" > "$target/activate.sh.part"
cat >> "$target/activate.sh.part" << END
export ALASIN_EUROEVAL=/user-euroeval
export ALASIN_EUROEVAL_PACKAGES=$(printf '%q' "$packages")
END
mv "$target/activate.sh.part" "$target/activate.sh"
echo "Done. Now: source $target/activate.sh"
