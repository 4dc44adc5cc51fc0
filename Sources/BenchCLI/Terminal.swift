import Foundation
import NanoData

/// Where words go: results to stdout, everything about the way there to stderr.
///
/// Nothing is coloured, so `NO_COLOR` has nothing to take away.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1
  /// Whether a line can be replaced in place.
  static let redraws = isInteractive && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  /// Columns of the window now; 80 where it does not say.
  static var columns: Int { columns(of: STDERR_FILENO) ?? 80 }

  /// Columns of the window that results go to; nil where they go elsewhere.
  static var outputColumns: Int? { columns(of: STDOUT_FILENO) }

  private static func columns(of file: Int32) -> Int? {
    var size = winsize()
    return ioctl(file, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
  }

  /// A result in sentences, with lines broken between words where a window shows it.
  static func printProse(_ text: String) { print(text.broken(columns: outputColumns)) }

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

  /// A line, broken between words where a window shows it.
  static func writeError(_ line: String) { writeAside(line.broken(columns: columns(of: STDERR_FILENO)) + "\n") }

  /// Replaces the current line of a terminal that ``redraws``; one that is wider than the window would leave a rest.
  static func rewriteLine(_ text: String) { writeAside("\r\u{1B}[2K\(text.prefix(max(1, columns - 1)))") }

  /// How far the preparation of stories is.
  static func show(_ stage: StoryPreparation.Stage, _ share: Double) {
    let percent = stage == .waiting ? "" : String(format: ": %.0f%%", 100 * share)
    rewriteLine(stage.rawValue + percent)
  }
}
