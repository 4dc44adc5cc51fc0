internal import CMPI
internal import Foundation

/// MPI cannot be used. Each process finds the same; the launcher's rank 0 should tell.
public struct MPIError: Error, Hashable, CustomStringConvertible {
  public let description: String
}

/// All processes that an MPI launcher started together.
public final class MPICommunicator: Communicator {
  public let rank, rankCount: Int
  /// Of the library, one line.
  public let version: String

  /// Joins the world. A process can do so once.
  /// - Throws: when no library can be loaded, or it knows another world than the launcher: one that belongs to another
  ///   launcher takes each process for the only one.
  public init(_ launcher: Launcher) throws(MPIError) {
    var problems: [String] = []
    for library in launcher.libraries {
      guard let problem = nk_mpi_open(library) else { break }
      problems.append(String(cString: problem))
    }
    guard problems.count < launcher.libraries.count else {
      throw MPIError(
        description: "\(launcher.rankCount) processes were started together, and MPI cannot be used: "
          + "\(problems.joined(separator: "; ")); NANO_MPI_LIBRARY names the launcher's library")
    }
    rank = Int(nk_mpi_rank())
    rankCount = Int(nk_mpi_size())
    version = String(cString: nk_mpi_version())
    guard rankCount == launcher.rankCount else {
      nk_mpi_close()
      throw MPIError(
        description: "\(launcher.rankCount) processes were started together, and \(version) knows of \(rankCount): it "
          + "is not the launcher's library; NANO_MPI_LIBRARY names that")
    }
  }

  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) {
    guard nk_mpi_send(bytes.baseAddress, bytes.count, Int32(rank)) else {
      fatalError("MPICommunicator.send: no memory for a copy of \(bytes.count) bytes")
    }
  }

  public func awaitSends(leaving byteCount: Int) { wait { nk_mpi_bytes_under_way() <= byteCount } }

  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) {
    guard !bytes.isEmpty else { return }
    wait { hasMessage(from: rank) }
    nk_mpi_receive(bytes.baseAddress, bytes.count, Int32(rank))
  }

  /// Waits without using the processor, so that ranks may share one: after a moment of asking, MPI is asked some ten
  /// thousand times a second. Yielding would give a busy machine's other processes a whole turn each.
  private func wait(until isThere: () -> Bool) {
    var attempts = 0
    while !isThere() {
      attempts += 1
      if attempts > 100 { usleep(20) }
    }
  }

  public func hasMessage(from rank: Int) -> Bool { nk_mpi_has_message(Int32(rank)) }

  /// Leaves the world, which every rank has to before its process ends: a launcher takes another end for a failure.
  public func close() {
    awaitSends(leaving: 0)
    nk_mpi_close()
  }

  /// Ends the processes of all ranks.
  public func abort(status: Int32) -> Never {
    nk_mpi_abort(status)
    _exit(status)
  }
}
