import ArgumentParser
import NanoData
import NanoTraining

/// How a run is kept, continued and begun from another.
struct RunOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Steps from one checkpoint to the next; a run that ends or is interrupted writes one anyway.")
  var checkpointEvery: Int?

  @Option(parsing: .unconditional, help: "Checkpoints to keep.")
  var keep: Int?

  @Option(help: "The folder of a run to go on with; with more --iterations it is made longer.")
  var resume: String?

  @Option(name: .customLong("init"), help: "A model folder whose weights the one model begins with.")
  var initial: String?

  func validate() throws {
    guard resume == nil || initial == nil else {
      throw ValidationError("--init is for a new run; a resumed one has weights of its own")
    }
  }
}

/// A hold on a run's folder.
struct RunHold {
  let path: String
  private let lock: FolderLock

  /// - Throws: when another process has it.
  init(_ path: String) throws {
    self.path = path
    lock = try OutputFolder.hold(path)
  }

  /// Throws when the folder is gone, or another one has its name.
  func requireFolder() throws {
    guard lock.isInPlace else {
      throw RunError("\(path): the run's folder was removed, moved or replaced while the run was at work")
    }
  }
}
