import Foundation
import NanoData

/// Where words go: results to stdout, everything about the way there to stderr.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  /// Hands a result on at once, as `print` does not when its reader is a pipe.
  static func write(_ text: String) throws {
    print(text, terminator: "")
    try finishOutput()
  }

  /// Throws when what was printed could not be written.
  static func finishOutput() throws {
    guard fflush(nil) != 0 else { return }
    let problem = errno
    // Whoever reads has enough, as `head` has: an end, but no error to speak of.
    if problem == EPIPE { exit(128 + SIGPIPE) }
    throw RunError("standard output: cannot be written: \(String(cString: strerror(problem)))")
  }

  /// No run ends because nobody can read how far it is.
  static func writeAside(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  static func writeError(_ line: String) { writeAside(line + "\n") }

  /// Replaces the current line of an interactive terminal.
  static func rewriteLine(_ text: String) { writeAside("\r\u{1B}[2K\(text)") }

  /// How far the preparation of stories is.
  static func show(_ stage: StoryPreparation.Stage, _ share: Double) {
    let percent = stage == .waiting ? "" : String(format: ": %.0f%%", 100 * share)
    rewriteLine(stage.rawValue + percent)
  }
}
