import ArgumentParser
import Foundation
import NanoData
import NanoTraining

extension DataRecord {
  /// Where the text of a run, or of a model, lies.
  struct Location {
    /// Nil for the built-in corpus of the seed.
    var path: String?
    var validation: String?
    var seed: UInt64 = 0
  }

  /// Where the text is now: where flags say, else where it was.
  /// - Throws: when nothing is there any more.
  func location(data: String? = nil, valid: String? = nil) throws -> Location {
    if let data { return Location(path: data, validation: valid ?? validationPath) }
    if let builtInSeed, path == nil {
      guard valid == nil else {
        throw ValidationError("--valid needs --data; the built-in corpus has its own split")
      }
      return Location(seed: builtInSeed)
    }
    let location = Location(path: path, validation: valid ?? validationPath)
    for path in [location.path, location.validation].compactMap({ $0 }) {
      var status = stat()
      guard stat(path, &status) == 0 else {
        throw RunError("\(path): no such file; the text was there: if it lies elsewhere now, name it with --data")
      }
      guard [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else {
        throw RunError("\(path): the text came through a pipe and is not there any more; name it with --data")
      }
    }
    return location
  }

  /// Throws unless the text that was found is this one.
  func require(_ found: DataRecord, _ owner: String) throws {
    guard !hasContent(of: found) else { return }
    throw RunError(
      "\(found.source): holds another text than \(owner) was begun with (from \(source); SHA-256 of what trains "
        + "\(trainingSHA256.prefix(12))… there, \(found.trainingSHA256.prefix(12))… now); name the same text with "
        + "--data, or begin a new run")
  }
}
