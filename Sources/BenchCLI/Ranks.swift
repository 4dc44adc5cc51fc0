import Foundation
import NanoCommunication
import NanoData
import NanoExperiments
import NanoTensor

/// The processes that an MPI launcher started together. Rank 0 carries out the command; the others do what it says.
enum Ranks {
  /// Of this process alone, until it has joined others.
  private(set) nonisolated(unsafe) static var communicator: any Communicator = SingleRank()

  static var count: Int { communicator.rankCount }

  /// Joins the others, if there are any. Returns on rank 0 alone: in other processes when they end.
  /// - Throws: when MPI cannot be used, or a process was started otherwise than this one.
  static func join() throws {
    guard let launcher = Launcher() else { return }
    let world: MPICommunicator
    do {
      world = try MPICommunicator(launcher)
    } catch {
      // All processes find the same.
      guard launcher.rank == 0 else { exit(1) }
      throw error
    }
    communicator = world
    guard world.rank == 0 else { serve(world) }
    // Whatever ends this process.
    atexit {
      Ranks.communicator.broadcast(encoding: RankTask.end)
      (Ranks.communicator as? MPICommunicator)?.close()
    }
    let mine = identity
    for rank in 1..<world.rankCount {
      let theirs = (0..<mine.count).map { _ in String(decoding: world.receive(from: rank) as [UInt8], as: UTF8.self) }
      for (mine, theirs) in zip(mine, theirs) where mine.text != theirs {
        throw RunError(
          "rank \(rank) has other \(mine.what) than rank 0: \(theirs), not \(mine.text); \(mine.advice)")
      }
    }
  }

  /// What all ranks must agree in, so that one seed gives the same bits on any number of them.
  private static var identity: [(what: String, text: String, advice: String)] {
    var hash = SHA256()
    if let program = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe"), options: .alwaysMapped) {
      program.withUnsafeBytes { hash.update(Array($0)) }
    }
    var identity = [
      ("arguments", CommandLine.arguments.dropFirst().joined(separator: " "), "give all the same"),
      ("code", hash.finalized(), "start the same program on all hosts"),
    ]
    // Arguments are parsed when all ranks have agreed.
    guard !CommandLine.arguments.contains("--allow-mixed") else { return identity }
    identity += [
      (
        "vector instructions", Machine.current.kernels,
        "its sums would have other bits; NANO_INSTRUCTION_SET in all their environments names a set that all hosts "
          + "have, --allow-mixed lets them share the run all the same"
      ),
      (
        "kernels of OpenBLAS", Machine.openBLASCore ?? "none",
        "its sums would have other bits; use hosts of one kind, with the same OpenBLAS, or give --allow-mixed"
      ),
    ]
    return identity
  }

  private static func serve(_ world: MPICommunicator) -> Never {
    // Rank 0 is asked to end, and lets the others know after its step.
    for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_IGN) }
    for part in identity { world.send(Array(part.text.utf8), to: 0) }
    do {
      try RunReplicas.serve(world) { try StudyRanks.serve(world) }
    } catch {
      Terminal.writeError("bench-cli: error: rank \(world.rank): \(error)")
      world.abort(status: 1)
    }
    world.close()
    exit(0)
  }

  /// Ends all ranks in the middle of what they do.
  static func abort() -> Never {
    guard let world = communicator as? MPICommunicator else { exit(1) }
    world.abort(status: 1)
  }

  /// What a person should know about the work of so many ranks; nil of one.
  static func notice(of experiment: Experiment) -> String? {
    guard let world = communicator as? MPICommunicator else { return nil }
    let shards = min(experiment.shardCount, experiment.batchSize / experiment.microBatchCount)
    let start = "\(count) ranks share the \(shards) shards of a step (\(world.version))."
    guard shards < count else { return start }
    return start + " \(count - shards) of them share updates alone; --shards \(count) gives all a part, and sums "
      + "gradients in another order, so with other bits."
  }
}
