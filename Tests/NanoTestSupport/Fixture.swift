public import Foundation

/// Golden values in `Tests/Fixtures`, made by the scripts in `Tools/golden`.
public enum Fixture {
  /// The contents of a file.
  public static func data(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
  }

  public static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures").path
}
