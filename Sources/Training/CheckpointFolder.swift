internal import Foundation
internal import NanoData
internal import NanoTensor

/// The checkpoints of one model's run: `step-<number>.checkpoint` files, of which the last few are kept.
public struct CheckpointFolder: Sendable {
  /// The folder.
  public let path: String

  /// A folder, which need not be there before the first checkpoint is written.
  public init(_ path: String) { self.path = path }

  /// Steps of the checkpoints there are, ascending.
  public var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("step-"), name.hasSuffix(".checkpoint") else { return nil }
      return Int(name.dropFirst(5).dropLast(11)).flatMap { $0 >= 0 ? $0 : nil }
    }.sorted()
  }

  /// Where the checkpoint of a step lies.
  public func file(step: Int) -> String { "\(path)/step-\(step).checkpoint" }

  /// Writes a checkpoint and removes the oldest ones beyond `kept`.
  func save(
    _ progress: RunProgress, keeping kept: Int,
    forEachTensor: (_ body: (String, Shape, Span<Float>) throws -> Void) throws -> Void
  ) throws {
    try OutputFolder.make(path)
    try CheckpointFormat.write(progress, to: file(step: progress.step), forEachTensor: forEachTensor)
    for step in steps.dropLast(kept) { try? FileManager.default.removeItem(atPath: file(step: step)) }
  }

  /// The last checkpoint; nil when there is none.
  /// - Throws: when it is damaged, naming the one before it, if any.
  func last() throws(CheckpointError) -> Checkpoint? {
    guard let step = steps.last else { return nil }
    let checkpoint: Checkpoint
    do throws(CheckpointError) {
      checkpoint = try Checkpoint(file(step: step))
    } catch {
      throw CheckpointError(description: error.description + advice)
    }
    guard checkpoint.progress.step == step else {
      throw refusal(of: step, "it is of step \(checkpoint.progress.step)")
    }
    return checkpoint
  }

  /// A checkpoint that is whole and does not fit its run.
  package func refusal(of step: Int, _ reason: any CustomStringConvertible) -> CheckpointError {
    CheckpointError(description: "\(file(step: step)): the checkpoint is damaged: \(reason)\(advice)")
  }

  /// What to do about a last checkpoint that cannot be used.
  private var advice: String {
    steps.dropLast().last.map {
      "; delete it to resume from the one before, of step \($0)"
    } ?? "; there is no earlier one, so delete it to start the model anew"
  }
}
