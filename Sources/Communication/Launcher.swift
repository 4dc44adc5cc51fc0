public import Foundation

/// What `mpirun`, `mpiexec` or `srun` told a process that it started, in the environment.
///
/// Read before MPI is initialized: Open MPI adds variables of its own then.
public struct Launcher: Hashable, Sendable {
  /// Of this process.
  public var rank: Int
  /// How many processes were started together.
  public var rankCount: Int
  /// Names of the libraries that may belong to the launcher, the likeliest first.
  public var libraries: [String]

  /// Nil where no launcher started the process, or it started this one alone.
  /// - Parameter environment: this process's by default; `NANO_MPI_LIBRARY` in it names another library.
  public init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
    func number(_ name: String) -> Int? { environment[name].flatMap(Int.init) }
    let (openMPI, mpich) = (["libmpi.so.40"], ["libmpich.so.12", "libmpi.so.12", "libmpi_abi.so.1"])
    let kinds = [
      (rank: "OMPI_COMM_WORLD_RANK", count: "OMPI_COMM_WORLD_SIZE", libraries: openMPI),
      (rank: "PMI_RANK", count: "PMI_SIZE", libraries: mpich),
      // srun, which serves either.
      (rank: "SLURM_PROCID", count: "SLURM_STEP_NUM_TASKS", libraries: openMPI + mpich),
    ]
    for kind in kinds {
      guard let rank = number(kind.rank), let count = number(kind.count) else { continue }
      guard count > 1 else { return nil }
      self.rank = rank
      rankCount = count
      libraries = environment["NANO_MPI_LIBRARY"].flatMap { $0.isEmpty ? nil : [$0] } ?? kind.libraries
      return
    }
    return nil
  }

  /// This process's environment as one has it that no launcher started: for a process of its own.
  public static var environmentWithoutIt: [String: String] {
    ProcessInfo.processInfo.environment.filter { name, _ in
      !["OMPI_", "PMIX_", "PMI_", "MPI_", "HYDRA_", "SLURM_STEP_"].contains { name.hasPrefix($0) }
    }
  }
}
