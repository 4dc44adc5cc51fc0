import NanoCommunication
import Testing

@Test func noLauncherWithoutItsVariables() {
  #expect(Launcher(environment: [:]) == nil)
  // Of a job, but not of a step that was started by srun.
  #expect(Launcher(environment: ["SLURM_PROCID": "0", "SLURM_NTASKS": "8"]) == nil)
}

@Test func aProcessThatWasStartedAloneNeedsNoMPI() {
  #expect(Launcher(environment: ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"]) == nil)
}

@Test func launchersAreToldApartByTheirVariables() {
  let openMPI = Launcher(environment: ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"])
  #expect(openMPI?.rank == 1 && openMPI?.rankCount == 4 && openMPI?.libraries == ["libmpi.so.40"])
  let mpich = Launcher(environment: ["PMI_RANK": "2", "PMI_SIZE": "3"])
  #expect(mpich?.rank == 2 && mpich?.rankCount == 3 && mpich?.libraries.first == "libmpich.so.12")
  let slurm = Launcher(environment: ["SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6"])
  #expect(slurm?.rank == 5 && slurm?.rankCount == 6 && slurm?.libraries.count == 4)
}

@Test func anotherLibraryCanBeNamed() {
  let environment = ["PMI_RANK": "0", "PMI_SIZE": "2", "NANO_MPI_LIBRARY": "/opt/mpi/libmpi.so"]
  #expect(Launcher(environment: environment)?.libraries == ["/opt/mpi/libmpi.so"])
}

@Test func aLibraryThatIsNotThereIsNamed() {
  let environment = ["PMI_RANK": "0", "PMI_SIZE": "2", "NANO_MPI_LIBRARY": "/nowhere/libmpi.so"]
  #expect {
    try MPICommunicator(#require(Launcher(environment: environment)))
  } throws: { "\($0)".contains("/nowhere/libmpi.so: cannot be loaded") }
}
