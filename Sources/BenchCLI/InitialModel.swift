import Foundation
import NanoData
import NanoModels
import NanoTensor
import NanoTraining

/// A model folder whose weights a run begins with (`--init`).
struct InitialModel {
  /// What a run's folder says of it.
  struct Record: Codable {
    var path: String
    /// Of `model.safetensors`.
    var sha256: String
  }

  let path: String
  let contents: ModelFolder.Contents

  init(_ path: String) throws {
    self.path = path
    contents = try ModelFolder.load(path)
  }

  var record: Record {
    get throws { Record(path: absolutePath(path), sha256: try Self.hash(path)) }
  }

  /// By name.
  var weights: [String: Tensor] {
    Dictionary(uniqueKeysWithValues: contents.model.weights.map { ($0.name, $0.tensor) })
  }

  /// The folder of a run that was begun with it and has no checkpoint yet.
  /// - Throws: when it is not there any more, or holds other weights.
  init(_ record: Record) throws {
    try self.init(record.path)
    guard try Self.hash(record.path) == record.sha256 else {
      throw RunError("\(record.path): other weights than those that the run was to begin with; begin a new run")
    }
  }

  private static func hash(_ folder: String) throws -> String {
    let path = folder + "/model.safetensors"
    guard let file = FileHandle(forReadingAtPath: path) else { throw RunError("\(path): cannot be read") }
    var hash = SHA256()
    while let data = try file.read(upToCount: 1 << 22), !data.isEmpty {
      data.withUnsafeBytes { hash.update($0) }
    }
    return hash.finalized()
  }
}

/// A path that means the same in every working directory.
func absolutePath(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
