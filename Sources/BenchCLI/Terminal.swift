import Foundation
import NanoData

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

  /// How far the preparation of stories is.
  static func show(_ stage: StoryPreparation.Stage, _ share: Double) {
    let percent = stage == .waiting ? "" : String(format: ": %.0f%%", 100 * share)
    rewriteLine(stage.rawValue + percent)
  }
}
