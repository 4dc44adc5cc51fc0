import Foundation

/// A real browser, for tests of pages; they skip where none is installed.
public enum Browser {
  private static let path: String? = {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let paths = folders.flatMap { folder in ["chromium", "chromium-browser", "google-chrome"].map { "\(folder)/\($0)" }
    }
    return paths.first(where: FileManager.default.isExecutableFile)
  }()

  public static var isInstalled: Bool { path != nil }

  public struct Page {
    /// What the document was when its scripts had run.
    public let document: String
    /// Lines of the console.
    public let console: [String]
  }

  /// Opens a page, runs its scripts and then another one.
  public static func open(_ html: String, then script: String = "") throws -> Page {
    let folder = try TemporaryFolder()
    let page = "\(folder.path)/page.html"
    try html.replacing("</body>", with: "<script>\(script)</script></body>")
      .write(toFile: page, atomically: true, encoding: .utf8)
    return try open(address: "file://\(page)")
  }

  /// Opens the page at an address and runs its scripts.
  /// - Parameter flags: of Chromium; by themselves scripts have three seconds, by the page's own clock.
  public static func open(address: String, flags: [String] = ["--virtual-time-budget=3000"]) throws -> Page {
    let folder = try TemporaryFolder()
    let (output, errors) = ("\(folder.path)/out", "\(folder.path)/errors")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path ?? "")
    process.arguments =
      [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
        "--user-data-dir=\(folder.path)/profile", "--window-size=1000,800", "--dump-dom",
      ] + flags + [address]
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
