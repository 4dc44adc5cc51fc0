public import Foundation

extension FileHandle {
  /// All bytes of a file, also of one without a size, such as a pipe; nil where it cannot be read.
  public static func contents(ofFile path: String) -> Data? {
    guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
    return try? handle.readToEnd() ?? Data()
  }
}
