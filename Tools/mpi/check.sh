#!/usr/bin/env bash
# Checks bench-cli under Open MPI and MPICH, both of which have to be installed (Debian: openmpi-bin and mpich).
#
#   Tools/mpi/check.sh BENCH_CLI FOLDER
#
# FOLDER, which must not be there, gets the runs. Ends with 1 at the first thing that does not hold:
#
#   - 1, 2, 3, 4 and 6 ranks give the same weights and the same metrics, both studies, fp32 and bf16, both libraries;
#   - a step of Slurm is one too, which a stand-in's variables say that srun has started;
#   - a rank that is killed ends the job, and the run goes on from its last checkpoint on another number of ranks, to the
#     same bits as without;
#   - what cannot be is refused in one line, and nothing is written.
set -euo pipefail
bench=$(realpath "$1")
mkdir "$2"
cd "$2"
export NANO_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
openmpi() { timeout 300 mpirun.openmpi --oversubscribe --bind-to none -np "$@"; }
mpich() { timeout 300 mpirun.mpich -np "$@"; }
fail() { echo "$*" >&2 && exit 1; }

# What a run came to, without times and memory.
sums() {
  local run=$1
  (cd "$run" && find . -name '*.safetensors' | sort | xargs sha256sum)
  find "$run" -name metrics.jsonl | sort | xargs sed -E 's/"[A-Za-z]*([Ss]econd|[Bb]ytes)[A-Za-z]*":[^,}]*,?//g'
}
same() { diff <(sums "$1") <(sums "$2") >"$2.diff" || fail "$2 differs from $1: see $2.diff"; }

awk 'BEGIN {
  srand(3)
  split("Tom Lily Ben Anna Max Sue Sam Mia", names); split("ball cat dog tree cake boat hat kite fish book", things)
  split("saw found lost liked took hid made gave", verbs)
  for (story = 0; story < 400; story++) {
    printf "Once upon a time there was %s.", names[1 + int(8 * rand())]
    for (i = rand() * 4; i < 6; i++)
      printf " Then %s %s the %s.", names[1 + int(8 * rand())], verbs[1 + int(8 * rand())], things[1 + int(10 * rand())]
    print "\n<|endoftext|>"
  }
}' >stories.txt
common="--device cpu --quiet --shards 6 --batch 7 --context 16"
stories="compare --preset stories --size 0.3M --models nanogpt,nanokimik2 --vocab 300 --data stories.txt $common"
characters="compare --embd 32 --eval-iters 2 $common"
for study in characters stories; do
  for precision in fp32 bf16; do
    arguments="${!study} --precision $precision --iterations 5 --eval-interval 2"
    alone=$study-$precision-1
    "$bench" $arguments --out "$alone" >/dev/null
    for ranks in 2 3 4 6; do
      openmpi $ranks "$bench" $arguments --out "$study-$precision-openmpi-$ranks" >/dev/null
      same "$alone" "$study-$precision-openmpi-$ranks"
    done
    mpich 3 "$bench" $arguments --out "$study-$precision-mpich-3" >/dev/null
    same "$alone" "$study-$precision-mpich-3"
    echo "$study, $precision: the same bits on 1, 2, 3, 4 and 6 ranks"
  done
done

# As under srun: what Open MPI's own launcher says is gone, and its library joins the processes all the same.
slurm='env -u OMPI_COMM_WORLD_RANK -u OMPI_COMM_WORLD_SIZE -u OMPI_COMM_WORLD_LOCAL_SIZE SLURM_NODEID=0 SLURM_STEP_TASKS_PER_NODE=3
  SLURM_PROCID=$OMPI_COMM_WORLD_RANK SLURM_STEP_NUM_TASKS=$OMPI_COMM_WORLD_SIZE'
openmpi 3 bash -c "exec $(echo $slurm)"' "$@"' - "$bench" $characters --precision fp32 --iterations 5 --eval-interval 2 --out slurm >/dev/null
same characters-fp32-1 slurm
echo "srun: the same bits"

# A rank is killed after the first checkpoint. With two steps more than that, the run goes on on another number of ranks.
arguments="train --model nanokimi --eval-iters 2 $common --iterations 300 --eval-interval 150 --checkpoint-every 20"
"$bench" $arguments --out alone >/dev/null
for launcher in openmpi mpich; do
  $launcher 2 "$bench" $arguments --out "killed-$launcher" >"killed-$launcher.log" 2>&1 &
  job=$!
  until compgen -G "killed-$launcher/nanokimi/checkpoints/step-*.checkpoint" >/dev/null; do sleep 0.02; done
  # The youngest process of the run is its last rank.
  kill -KILL "$(pgrep -n -f -- "^$bench .*--out killed-$launcher")"
  start=$SECONDS
  wait "$job" && fail "$launcher: a job whose rank was killed ended well"
  [[ $((SECONDS - start)) -lt 30 ]] || fail "$launcher: a job lived on for $((SECONDS - start)) s without a rank"
  ! [[ -e killed-$launcher/nanokimi/result.json ]] || fail "$launcher: the run had ended before its rank was killed"
  $launcher 3 "$bench" compare --resume "killed-$launcher" --device cpu --quiet >/dev/null
  same alone "killed-$launcher"
  echo "$launcher: a killed rank ends the job; the run goes on with the same bits"
done

# In one line of ours, whatever the launcher adds.
refused() {
  local text=$1
  shift
  if "$@" >refused.out 2>refused.log; then fail "$*: not refused"; fi
  [[ $(grep -c "bench-cli: error" refused.log) == 1 ]] || fail "$*: not one line: $(cat refused.log)"
  grep -q -- "$text" refused.log || fail "$*: $(cat refused.log)"
  ! [[ -e refused ]] || fail "$*: something was written"
}
arguments="train --iterations 1 --device cpu --out refused"
refused "it is not the launcher's library" env NANO_MPI_LIBRARY=libmpich.so.12 mpirun.openmpi --oversubscribe -np 2 "$bench" $arguments
refused "it is not the launcher's library" env NANO_MPI_LIBRARY=libmpi.so.40 mpirun.mpich -np 2 "$bench" $arguments
refused "cannot be loaded" env NANO_MPI_LIBRARY=/nowhere.so mpirun.mpich -np 2 "$bench" $arguments
refused "not an MPI library" env NANO_MPI_LIBRARY=libm.so.6 mpirun.mpich -np 2 "$bench" $arguments
refused "rank 1 has other arguments" mpirun.mpich -np 1 "$bench" $arguments : -np 1 "$bench" $arguments --quiet
refused "rank 1 has other vector instructions" \
  mpirun.mpich -np 1 "$bench" $arguments : -np 1 -env NANO_INSTRUCTION_SET portable "$bench" $arguments
mpirun.mpich -np 1 "$bench" $arguments --quiet --allow-mixed : \
  -np 1 -env NANO_INSTRUCTION_SET portable "$bench" $arguments --quiet --allow-mixed >/dev/null 2>&1 || fail "--allow-mixed: refused"
rm -r refused
refused "must be at least 1" openmpi 3 "$bench" $arguments --table-every 0
echo "What cannot be is refused in one line"
