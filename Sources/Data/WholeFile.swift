public import Foundation

extension FileHandle {
  /// Whether a path is of a device, which may never end.
  static func isDevice(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && [S_IFCHR, S_IFBLK].contains(status.st_mode & S_IFMT)
  }

  /// All bytes of a file, also of one without a size, such as a pipe; nil where it cannot be read or is a device.
  public static func contents(ofFile path: String) -> Data? {
    guard !isDevice(path), let handle = FileHandle(forReadingAtPath: path) else { return nil }
    return try? handle.readToEnd() ?? Data()
  }
}
