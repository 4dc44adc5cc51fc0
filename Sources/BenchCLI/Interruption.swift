import Foundation
import Synchronization

/// Ctrl-C: the first one asks the run to end after its step, the second ends the process at once.
enum Interruption {
  private static let count = Atomic(0)

  static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

  /// The exit status of a run that was interrupted: 128 + SIGINT.
  static let exitStatus: Int32 = 130

  static func install() {
    // A parent may have left the signal blocked, as a thread pool that starts programs does.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    signal(SIGINT) { _ in
      if Interruption.count.add(1, ordering: .relaxed).newValue > 1 {
        _exit(Interruption.exitStatus)
      }
    }
  }
}
