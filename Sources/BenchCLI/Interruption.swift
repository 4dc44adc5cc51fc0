import Foundation
import Synchronization

/// Ctrl-C, or a request to terminate: the first one asks the run to end after its step, the second ends the process at
/// once.
enum Interruption {
  private static let count = Atomic(0)
  private static let lastSignal = Atomic(SIGINT)

  static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

  /// The exit status of a run that was interrupted: 128 and the signal, so 130 for Ctrl-C.
  static var exitStatus: Int32 { 128 + lastSignal.load(ordering: .relaxed) }

  static func install() {
    // A parent may have left the signals blocked, as a thread pool that starts programs does.
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        Interruption.lastSignal.store(number, ordering: .relaxed)
        if Interruption.count.add(1, ordering: .relaxed).newValue > 1 {
          _exit(Interruption.exitStatus)
        }
      }
    }
  }
}
