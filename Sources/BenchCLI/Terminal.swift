import Foundation

/// Where words go: results to stdout, everything about the way there to stderr.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  static func writeError(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
  }

  /// Replaces the current line of an interactive terminal.
  static func rewriteLine(_ text: String) {
    FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8))
  }
}
