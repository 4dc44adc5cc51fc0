import Testing

@testable import NanoTensor

@Test func launchersSayHowManyProcessesTheyStartedHere() {
  #expect(EnvironmentVariables.localRankCount(in: [:]) == 1)
  #expect(EnvironmentVariables.localRankCount(in: ["OMPI_COMM_WORLD_LOCAL_SIZE": "4"]) == 4)
  #expect(EnvironmentVariables.localRankCount(in: ["MPI_LOCALNRANKS": "3", "MPI_LOCALRANKID": "0"]) == 3)
}

/// Two tasks on each of three nodes, one on the next and three on the last two.
@Test func slurmSaysItForEveryNode() {
  let counts = (0..<7).map { node in
    EnvironmentVariables.localRankCount(in: [
      "SLURM_STEP_TASKS_PER_NODE": "2(x3),1,3(x2)", "SLURM_NODEID": "\(node)", "SLURM_NTASKS": "13",
    ])
  }
  // There is no seventh node.
  #expect(counts == [2, 2, 2, 1, 3, 3, 1])
  // Of a job, but not of a step that was started by srun.
  #expect(EnvironmentVariables.localRankCount(in: ["SLURM_TASKS_PER_NODE": "8", "SLURM_NODEID": "0"]) == 1)
}
