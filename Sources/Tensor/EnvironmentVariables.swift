internal import Foundation

/// What the environment sets for the whole process: `NANO_THREADS`, and `NANO_INSTRUCTION_SET`, the widest family of vector
/// instructions to use.
///
/// Libraries go on as if a value that they cannot use were not there; a command calls ``validate()`` first.
package enum EnvironmentVariables {
  /// A variable whose value means nothing here.
  package struct Invalid: Error, Hashable, CustomStringConvertible {
    package var name, value, expected: String

    package var description: String { "\(name) is '\(value)' in the environment; it must be \(expected)" }
  }

  private static let threadRange = 1...1024

  /// - Throws: ``Invalid`` for the first variable that is set to something else than it may be.
  package static func validate() throws(Invalid) {
    if let value = variable("NANO_THREADS"), threadCount == nil {
      throw Invalid(
        name: "NANO_THREADS", value: value,
        expected: "from \(threadRange.lowerBound) to \(threadRange.upperBound)")
    }
    if let value = variable("NANO_INSTRUCTION_SET"), instructionSet?.isSupported != true {
      let supported = InstructionSet.allCases.filter(\.isSupported).map(\.rawValue)
      throw Invalid(
        name: "NANO_INSTRUCTION_SET", value: value,
        expected: "one that this machine has: \(supported.joined(separator: ", "))")
    }
  }

  static var threadCount: Int? {
    variable("NANO_THREADS").flatMap(Int.init).flatMap { threadRange.contains($0) ? $0 : nil }
  }

  /// How many processes Open MPI, MPICH or Slurm started together on this machine.
  static func localRankCount(in environment: [String: String] = ProcessInfo.processInfo.environment) -> Int {
    ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"].lazy
      .compactMap { environment[$0].flatMap(Int.init) }.first { $0 > 0 } ?? slurmTaskCount(in: environment) ?? 1
  }

  /// Of this node among those of a step of Slurm, in whose list `2(x3),1` means two tasks on each of three nodes and one on
  /// the next.
  private static func slurmTaskCount(in environment: [String: String]) -> Int? {
    guard let list = environment["SLURM_STEP_TASKS_PER_NODE"], var node = environment["SLURM_NODEID"].flatMap(Int.init)
    else { return nil }
    for entry in list.split(separator: ",") {
      let numbers = entry.split { !$0.isNumber }.compactMap { Int($0) }
      guard let tasks = numbers.first, tasks > 0 else { return nil }
      node -= numbers.dropFirst().first ?? 1
      if node < 0 { return tasks }
    }
    return nil
  }

  static var instructionSet: InstructionSet? {
    variable("NANO_INSTRUCTION_SET").flatMap(InstructionSet.init)
  }

  /// Nil where it is not set, or to nothing.
  private static func variable(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }
}
