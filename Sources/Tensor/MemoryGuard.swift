internal import Foundation
internal import Synchronization

/// Stands between this process and a container's memory limit, which kills where another system would refuse.
package enum MemoryGuard {
  private static let groups = ControlGroups().memoryGroups
  private static let lock = Mutex(())
  /// What is left for everything that asks nobody.
  private static let margin = 3 << 20

  /// A block whose memory is really there; nil where the system or a container refuses it.
  static func allocate(_ bytes: Int, alignment: Int) -> UnsafeMutableRawPointer? {
    groups.isEmpty
      ? block(bytes, alignment)
      : lock.withLock { _ in
        guard groups.allSatisfy({ $0.availableBytes - bytes > 2 * margin }), let block = block(bytes, alignment) else {
          return nil
        }
        // Untouched memory is not counted yet, and the next one would be given the same.
        for offset in stride(from: 0, to: bytes, by: 4096) {
          block.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        }
        return block
      }
  }

  private static func block(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
    var block: UnsafeMutableRawPointer?
    return posix_memalign(&block, alignment, bytes) == 0 ? block : nil
  }

  /// Watches from a thread of its own, where there is a limit, what the process holds in other things than tensors.
  /// - Parameter atLimit: ends the process; it is given the limit that is about to be passed.
  package static func watch(_ atLimit: @escaping @Sendable (_ limit: Int) -> Never) {
    guard !groups.isEmpty else { return }
    Thread.detachNewThread {
      while true {
        var left = groups.map(\.availableBytes).min() ?? .max
        if left < margin {
          MemoryPool.shared.trim()  // blocks that only wait for reuse go first
          left = groups.map(\.availableBytes).min() ?? .max
          if left < margin { atLimit(groups.map(\.limit).min() ?? 0) }
        }
        // Nobody fills a quarter of a gigabyte in a tenth of a second.
        usleep(left > 1 << 28 ? 100_000 : 5_000)
      }
    }
  }
}
