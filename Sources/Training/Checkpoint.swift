internal import Foundation
internal import NanoCommunication
internal import NanoData
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

/// A checkpoint that cannot be used.
public struct CheckpointError: Error, Hashable, CustomStringConvertible {
  /// The file, what is wrong with it and what to do.
  public let description: String
}

/// The whole state of a run between two steps, in one file that appears whole or not at all.
///
/// A safetensors file: weights under their names, optimizer buffers behind `optimizer:`, everything else as JSON in the metadata, with a SHA-256 of all of it.
struct Checkpoint {
  let progress: RunProgress
  private(set) var weights: [String: Tensor] = [:]
  private(set) var optimizer: [String: StateSnapshot] = [:]

  /// Reads a checkpoint back.
  /// - Throws: when the file is missing, truncated or altered.
  init(_ path: String) throws(CheckpointError) {
    func problem(_ text: String) -> CheckpointError { CheckpointError(description: "\(path): \(text)") }
    guard FileManager.default.fileExists(atPath: path) else { throw problem("no such file") }
    // Mapped, so that it takes no memory beside the tensors.
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
      throw problem("not a file that can be read; check its permissions")
    }
    let file: (tensors: [(name: String, tensor: Tensor)], metadata: [String: String])
    do {
      file = try Safetensors.decodeFile(data)
    } catch {
      throw problem("the checkpoint is damaged: \(error)")
    }
    guard let json = file.metadata["progress"], let hash = file.metadata["sha256"] else {
      throw problem("not a checkpoint, or a damaged one")
    }
    guard file.metadata["format"] == CheckpointFormat.version else {
      throw problem("a checkpoint of another version; begin a new run from the best weights in the folder above")
    }
    var found = CheckpointFormat.hash(of: json)
    for (name, tensor) in file.tensors {
      tensor.withElements { CheckpointFormat.add(name, tensor.shape, $0, to: &found) }
    }
    guard found.finalized() == hash else {
      throw problem("the checkpoint is damaged (its hash differs)")
    }
    do {
      progress = try JSONDecoder.nonFinite.decode(RunProgress.self, from: Data(json.utf8))
    } catch let error as DecodingError {
      throw problem("the checkpoint is damaged: \(error.summary)")
    } catch {
      throw problem("the checkpoint is damaged: \(error)")
    }
    for (name, tensor) in file.tensors {
      let parts = name.split(separator: ":", maxSplits: 2).map(String.init)
      switch (parts.count, parts.first) {
      case (1, _): weights[name] = tensor
      case (3, CheckpointFormat.optimizer):
        optimizer[parts[2], default: StateSnapshot(stepCount: progress.step, buffers: [:])]
          .buffers[parts[1]] = tensor.scalars
      default: throw problem("'\(name)' belongs to no checkpoint")
      }
    }
  }
}

/// What the files of checkpoints have in common.
enum CheckpointFormat {
  static let version = "2"
  static let optimizer = "optimizer"

  static func hash(of json: String) -> SHA256 {
    var hash = SHA256()
    hash.update(Array(json.utf8))
    return hash
  }

  static func add(_ name: String, _ shape: Shape, _ elements: Span<Float>, to hash: inout SHA256) {
    hash.update(Array("\(name) \(shape)".utf8))
    elements.withUnsafeBytes { hash.update($0) }
  }

  /// Writes a checkpoint from where its parts lie: what it takes in memory does not grow with the model.
  /// - Parameter forEachTensor: calls its argument with every tensor, each time in the same order.
  static func write(
    _ progress: RunProgress, to path: String,
    forEachTensor: (_ body: (String, Shape, Span<Float>) throws -> Void) throws -> Void
  ) throws {
    let json = String(decoding: try JSONEncoder.nonFinite(.sortedKeys).encode(progress), as: UTF8.self)
    var hash = hash(of: json)
    var shapes: [(name: String, shape: Shape)] = []
    try forEachTensor { name, shape, elements in
      add(name, shape, elements, to: &hash)
      shapes.append((name, shape))
    }
    let file = try AtomicFile(path)
    try file.append(
      Safetensors.header(
        of: shapes,
        metadata: ["format": version, "progress": json, "sha256": hash.finalized()]))
    try forEachTensor { _, _, elements in
      try elements.withUnsafeBytes { try file.append($0) }
    }
    try file.commit()
  }
}
