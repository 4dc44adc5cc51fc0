import Foundation
import Synchronization

/// Ctrl-C, a request to terminate, or a terminal that is gone: they ask the run to end after its step. Ctrl-C after that
/// ends the process at once; of a terminal's end a process may be told twice.
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
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    handle(SIGINT)
    handle(SIGTERM)
    // Under nohup the end of the terminal is nothing to this process.
    if address(of: handle(SIGHUP)) == address(of: SIG_IGN) { signal(SIGHUP, SIG_IGN) }
  }

  /// - Returns: what handled the signal before.
  @discardableResult
  private static func handle(_ number: Int32) -> (@convention(c) (Int32) -> Void)? {
    signal(number) { number in
      Interruption.lastSignal.store(number, ordering: .relaxed)
      let requests = Interruption.count.add(1, ordering: .relaxed).newValue
      if number == SIGINT && requests > 1 { _exit(Interruption.exitStatus) }
    }
  }

  private static func address(of handler: (@convention(c) (Int32) -> Void)?) -> Int {
    unsafeBitCast(handler, to: Int.self)
  }
}
