import Foundation
import NanoTestSupport

/// A real browser, for tests of pages; they skip where none is installed.
enum Browser {
  static let path: String? = {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let paths = folders.flatMap { folder in ["chromium", "chromium-browser", "google-chrome"].map { "\(folder)/\($0)" }
    }
    return paths.first(where: FileManager.default.isExecutableFile)
  }()

  static var isInstalled: Bool { path != nil }

  struct Page {
    /// What the document was when its scripts had run.
    let document: String
    /// Lines of the console.
    let console: [String]
  }

  /// Opens a page, runs its scripts and then another one.
  static func open(_ html: String, then script: String = "") throws -> Page {
    let folder = try TemporaryFolder()
    let (page, output, errors) = ("\(folder.path)/page.html", "\(folder.path)/out", "\(folder.path)/errors")
    try html.replacing("</body>", with: "<script>\(script)</script></body>")
      .write(toFile: page, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path ?? "")
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
      "--user-data-dir=\(folder.path)/profile", "--window-size=1000,800", "--virtual-time-budget=3000", "--dump-dom",
      "file://\(page)",
    ]
    for file in [output, errors] { try Data().write(to: URL(fileURLWithPath: file)) }
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    try process.run()
    process.waitUntilExit()
    return Page(
      document: try String(contentsOfFile: output, encoding: .utf8),
      console: try String(contentsOfFile: errors, encoding: .utf8).split(separator: "\n").map(String.init)
        .filter { $0.contains("CONSOLE") })
  }
}
