internal import Foundation

/// What a download has so far, and beside it what it is a part of, so that nothing else is added to it.
struct PartialFile {
  /// What tells one version of a file at a server from another.
  struct Version: Codable, Equatable {
    var source: String
    var entityTag: String?
    var lastModified: String?
    var size: Int?
    var sha256: String?

    /// What a request for the rest makes its condition; nil where nothing tells versions apart.
    var condition: String? {
      if let entityTag, !entityTag.hasPrefix("W/") { return entityTag }
      return lastModified
    }

    /// Whether bytes of both are bytes of one file, as far as can be told; nil where it cannot.
    func isSame(as other: Version) -> Bool? {
      if let sha256, let theirs = other.sha256 { return sha256 == theirs }
      if let size, let theirs = other.size, size != theirs { return false }
      guard source == other.source, let condition, let theirs = other.condition else { return nil }
      return condition == theirs && entityTag == other.entityTag
    }
  }

  let path: String
  private var versionPath: String { path + ".source" }

  var size: Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }

  /// Of what it is a part; nil where that was not written down.
  var version: Version? {
    FileManager.default.contents(atPath: versionPath).flatMap { try? JSONDecoder().decode(Version.self, from: $0) }
  }

  /// An empty one, a part of what is told.
  func begin(_ version: Version) throws -> FileHandle {
    delete()
    try AtomicFile.write(JSONEncoder().encode(version), to: versionPath)
    guard FileManager.default.createFile(atPath: path, contents: nil) else {
      throw FileWriteError(path, "cannot be created")
    }
    return try resume()
  }

  /// The file, to be written from its end on.
  func resume() throws -> FileHandle {
    guard let file = FileHandle(forWritingAtPath: path) else { throw FileWriteError(path, "cannot be written") }
    try file.seekToEnd()
    return file
  }

  func delete() {
    unlink(path)
    unlink(versionPath)
  }

  /// Makes it the file itself.
  func put(in place: String) throws(FileWriteError) {
    guard rename(path, place) == 0 else { throw FileWriteError(place, "cannot be put in place") }
    unlink(versionPath)
  }
}
