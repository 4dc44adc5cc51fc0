internal import Foundation
internal import NanoData
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

/// A checkpoint that cannot be used.
public struct CheckpointError: Error, Hashable, CustomStringConvertible {
  public let description: String
}

/// The whole state of a run between two steps, in one file that appears whole or not at all.
///
/// A safetensors file: weights under their names, optimizer buffers behind `optimizer:`, everything else as
/// JSON in the metadata, with a SHA-256 of all of it.
public struct Checkpoint: Sendable {
  /// What is not a tensor.
  public struct Progress: Hashable, Sendable, Codable {
    /// Steps made.
    public var step: Int
    public var trainer: TrainerConfiguration
    /// Steps of each parameter's optimizer state.
    var optimizerSteps: [String: Int] = [:]
    var loads = LoadAverages()
    public var curve: [StoriesPoint] = []
    /// The evaluation of the weights that are kept as the best.
    var best: StoriesPoint?
    /// Losses of the steps since the last evaluation.
    var recentLosses: [Double] = []
    /// Seconds of training and of everything, before this point.
    var trainingSeconds = 0.0
    var totalSeconds = 0.0
    var peakTensorBytes = 0
    var peakResidentBytes = 0
    /// Of the last steps, for their median; a checkpoint must not grow with the run.
    var recentStepSeconds: [Double] = []
    var updateSeconds = 0.0
    var residentBytesAtStart = 0
    var lossScale: LossScale?
  }

  public var progress: Progress
  var weights: [(name: String, tensor: Tensor)]
  var optimizer: [String: StateSnapshot]

  private static let optimizerPrefix = "optimizer:"

  /// Writes a checkpoint.
  public func write(to path: String) throws {
    var progress = progress
    progress.optimizerSteps = optimizer.mapValues(\.stepCount)
    var tensors = weights
    for (name, snapshot) in optimizer.sorted(by: { $0.key < $1.key }) {
      for (buffer, values) in snapshot.buffers.sorted(by: { $0.key < $1.key }) {
        tensors.append(
          (
            "\(Self.optimizerPrefix)\(buffer):\(name)",
            Tensor(values, shape: [values.count])
          ))
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let json = String(decoding: try encoder.encode(progress), as: UTF8.self)
    let hash = Self.hash(json, tensors)
    try AtomicFile.write(
      Safetensors.encode(tensors, metadata: ["progress": json, "sha256": hash]), to: path)
  }

  /// Reads a checkpoint back.
  /// - Throws: when the file is missing, truncated or altered.
  public init(_ path: String) throws(CheckpointError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CheckpointError(description: "\(path): no such file, or not readable")
    }
    do {
      let file = try Safetensors.decodeFile(data)
      guard let json = file.metadata["progress"], let hash = file.metadata["sha256"] else {
        throw CheckpointError(description: "\(path): not a checkpoint")
      }
      guard Self.hash(json, file.tensors) == hash else {
        throw CheckpointError(description: "\(path): the checkpoint is damaged (its hash differs)")
      }
      let decoder = JSONDecoder()
      decoder.nonConformingFloatDecodingStrategy = .convertFromString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      progress = try decoder.decode(Progress.self, from: Data(json.utf8))
      weights = file.tensors.filter { !$0.name.hasPrefix(Self.optimizerPrefix) }
      optimizer = progress.optimizerSteps.mapValues { StateSnapshot(stepCount: $0, buffers: [:]) }
      for (name, tensor) in file.tensors where name.hasPrefix(Self.optimizerPrefix) {
        let parts = name.dropFirst(Self.optimizerPrefix.count).split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { continue }
        optimizer[String(parts[1])]?.buffers[String(parts[0])] = tensor.scalars
      }
    } catch let error as CheckpointError {
      throw error
    } catch let error as DecodingError {
      throw CheckpointError(description: "\(path): the checkpoint is damaged: \(error.summary)")
    } catch {
      throw CheckpointError(description: "\(path): the checkpoint is damaged: \(error)")
    }
  }

  init(
    progress: Progress, weights: [(name: String, tensor: Tensor)],
    optimizer: [String: StateSnapshot]
  ) {
    self.progress = progress
    self.weights = weights
    self.optimizer = optimizer
  }

  /// Of the JSON and of every tensor's name and bytes, in order of names.
  private static func hash(_ json: String, _ tensors: [(name: String, tensor: Tensor)]) -> String {
    var hash = SHA256()
    hash.update(Array(json.utf8))
    for (name, tensor) in tensors.sorted(by: { $0.name < $1.name }) {
      hash.update(Array("\(name) \(tensor.shape)".utf8))
      tensor.withElements { elements in
        elements.withUnsafeBytes { hash.update(Array($0)) }
      }
    }
    return hash.finalized()
  }
}

/// The checkpoints of one model's run: `step-<number>.checkpoint` files, of which the last few are kept.
public struct CheckpointFolder: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  /// Steps of the checkpoints there are, ascending.
  public var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("step-"), name.hasSuffix(".checkpoint") else { return nil }
      return Int(name.dropFirst(5).dropLast(11))
    }.sorted()
  }

  public func file(step: Int) -> String { "\(path)/step-\(step).checkpoint" }

  /// Writes a checkpoint and removes the oldest ones beyond `kept`.
  public func save(_ checkpoint: Checkpoint, keeping kept: Int) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try checkpoint.write(to: file(step: checkpoint.progress.step))
    for step in steps.dropLast(kept) { try? FileManager.default.removeItem(atPath: file(step: step)) }
  }

  /// The last checkpoint; nil when there is none.
  /// - Throws: when it is damaged, naming the one before it, if any.
  public func last() throws(CheckpointError) -> Checkpoint? {
    guard let step = steps.last else { return nil }
    do throws(CheckpointError) {
      return try Checkpoint(file(step: step))
    } catch {
      let advice =
        steps.dropLast().last.map {
          "; delete it to resume from the one before, of step \($0)"
        } ?? "; there is no earlier one, so delete it to start the model anew"
      throw CheckpointError(description: error.description + advice)
    }
  }
}
