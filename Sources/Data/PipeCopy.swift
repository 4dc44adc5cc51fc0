internal import Foundation

/// What came through a pipe, kept so that it can be read more than once: in a file without a name, which goes when this does,
/// however the process ends.
final class PipeCopy: Sendable {
  /// Where it can be read.
  let path: String
  private let file: FileHandle

  /// Reads a pipe to its end.
  /// - Throws: when it cannot be read, or there is no room for the copy.
  init(_ pipe: String) throws(StoryError) {
    let folder = NSTemporaryDirectory()
    var name = Array((folder + "/nano-kimi-XXXXXX").utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else {
      throw StoryError(description: "\(folder): no file can be made here for what comes through \(pipe); set TMPDIR")
    }
    unlink(name)
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    path = "/dev/fd/\(descriptor)"
    guard let source = FileHandle(forReadingAtPath: pipe) else {
      throw StoryError(description: "\(pipe): cannot be read; check its permissions")
    }
    do {
      while let data = try source.read(upToCount: 1 << 20), !data.isEmpty { try file.write(contentsOf: data) }
    } catch {
      throw StoryError(
        description: "\(pipe): what comes through it cannot be kept in \(folder); save it to a file and name that")
    }
  }
}
