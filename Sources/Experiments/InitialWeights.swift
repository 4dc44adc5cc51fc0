internal import Foundation
internal import NanoData
internal import NanoModels
internal import NanoTensor
internal import NanoTraining

/// A model folder whose weights a run begins with.
public struct InitialWeights: Hashable, Sendable, Codable {
  /// The model folder's whole path.
  public var path: String
  /// Of `model.safetensors`.
  public var sha256: String

  /// - Throws: when the folder holds no such file.
  public init(_ path: String) throws {
    self.path = absolutePath(path)
    sha256 = try Self.hash(path)
  }

  /// The weights by name.
  /// - Throws: when the folder is not there any more, or holds other weights.
  func load() throws -> [String: Tensor] {
    let model = try ModelFolder.load(path).model
    guard try Self.hash(path) == sha256 else {
      throw ExperimentError("\(path): other weights than those that the run was to begin with; begin a new run")
    }
    return Dictionary(uniqueKeysWithValues: model.weights.map { ($0.name, $0.tensor) })
  }

  private static func hash(_ folder: String) throws -> String {
    let path = folder + "/model.safetensors"
    guard let file = FileHandle(forReadingAtPath: path) else { throw ExperimentError("\(path): cannot be read") }
    var hash = SHA256()
    while let data = try file.read(upToCount: 1 << 22), !data.isEmpty {
      data.withUnsafeBytes { hash.update($0) }
    }
    return hash.finalized()
  }
}
