import Foundation
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoExperiments
@testable import NanoTraining

@Test func damagedCheckpointsAreRefusedAndTheOneBeforeIsOffered() throws {
  let folder = try TemporaryFolder()
  let run = try storiesRun(folder, "run")
  _ = try run.train()
  let checkpoints = CheckpointFolder(folder.path + "/run/checkpoints")
  #expect(checkpoints.steps == [8, 12])
  let path = checkpoints.file(step: 12)
  let whole = try Data(contentsOf: URL(fileURLWithPath: path))
  var altered = whole
  altered[whole.count - 1000] ^= 1
  for damaged in [whole.prefix(whole.count / 2), whole.dropLast(1), altered, Data()] {
    try Data(damaged).write(to: URL(fileURLWithPath: path))
    #expect { try run.train() } throws: {
      "\($0)".contains("damaged") && "\($0)".contains("of step 8")
    }
  }
  try FileManager.default.removeItem(atPath: path)
  #expect(try run.train().result.completedIterations == 12)
}

@Test func checkpointsOfAnotherShapeAreNamed() throws {
  let folder = try TemporaryFolder()
  _ = try storiesRun(folder, "run").train()
  let other = try storiesRun(folder, "run") { $0.model.latent?.keyValueRank = 20 }
  #expect { try other.train() } throws: {
    "\($0)".contains("'blocks.0.attention.key_value_down.weight' has shape [40×64], the model needs [28×64]")
  }
}

/// Writes a checkpoint again with other values, and the hash that they have.
private func alter(
  _ path: String, _ change: (inout RunProgress) -> Void = { _ in },
  tensor changeTensor: (String, inout Tensor) -> Void = { _, _ in }
) throws {
  let whole = try Checkpoint(path)
  var progress = whole.progress
  change(&progress)
  var tensors = whole.weights.map { (name: $0, tensor: $1) }
  for (parameter, snapshot) in whole.optimizer {
    for (buffer, values) in snapshot.buffers {
      tensors.append(("optimizer:\(buffer):\(parameter)", Tensor(values, shape: [values.count])))
    }
  }
  for index in tensors.indices { changeTensor(tensors[index].name, &tensors[index].tensor) }
  try CheckpointFormat.write(progress, to: path) { body in
    for (name, tensor) in tensors { try tensor.withElements { try body(name, tensor.shape, $0) } }
  }
}

@Test func valuesAreLookedAtBehindARightHash() throws {
  let folder = try TemporaryFolder()
  let run = try storiesRun(folder, "run", precision: .float16)
  _ = try run.train()
  let path = CheckpointFolder(folder.path + "/run/checkpoints").file(step: 12)
  let whole = try Data(contentsOf: URL(fileURLWithPath: path))
  func expectRefusal(_ part: String, _ change: () throws -> Void) throws {
    try change()
    #expect { try run.train() } throws: {
      "\($0)".contains("step-12.checkpoint") && "\($0)".contains("of step 8") && "\($0)".contains(part)
    }
    try whole.write(to: URL(fileURLWithPath: path))
  }
  try alter(path)
  #expect(try run.train().result.completedIterations == 12)

  let changes: [(String, (inout RunProgress) -> Void)] = [
    ("of step 11", { $0.step = 11 }), ("of step -1", { $0.step = -1 }),
    ("settings of training", { $0.trainer.shardCount = 0 }), ("settings of training", { $0.trainer.dropoutSeed += 1 }),
    ("settings of training", { $0.trainer.precision = .float32 }),
    ("0 micro-batches", { $0.trainer.microBatchCount = 0 }),
    ("loss scale", { $0.lossScale = nil }), ("loss scale", { $0.lossScale = LossScale(initial: .nan) }),
    ("loss scale", { $0.lossScale = LossScale(initial: -1) }),
    ("loss scale", { $0.lossScale = LossScale(growthInterval: 0) }),
    ("times that cannot be", { $0.trainingSeconds = -1 }), ("times that cannot be", { $0.totalSeconds = .nan }),
    ("times that cannot be", { $0.recentStepSeconds[0] = .infinity }),
    ("counts of bytes", { $0.residentBytesAtStart = .min }), ("counts of bytes", { $0.peakTensorBytes = -1 }),
    ("losses that cannot be", { $0.recentLosses = [.nan] }),
    ("evaluations that cannot be", { $0.curve.append($0.curve[0]) }),
    ("evaluations that cannot be", { $0.curve[0].validation.nllPerToken = .nan }),
    ("evaluations that cannot be", { $0.best?.step = 13 }),
    ("loads of other experts", { $0.loads = LoadAverages(shares: [[1]]) }),
  ]
  for (part, change) in changes { try expectRefusal(part) { try alter(path, change) } }
  let tensors: [(String, (String, inout Tensor) -> Void)] = [
    ("not finite", { name, tensor in if !name.contains(":") { tensor = tensor * .nan } }),
    ("below zero", { name, tensor in if name.hasPrefix("optimizer:square") { tensor = tensor * -1 } }),
    ("not finite", { name, tensor in if name.hasPrefix("optimizer:momentum") { tensor = tensor * .infinity } }),
  ]
  for (part, change) in tensors { try expectRefusal(part) { try alter(path, tensor: change) } }
}

/// A tensor that no parameter has is not passed over.
@Test func tensorsOfNoParameterAreRefused() throws {
  let folder = try TemporaryFolder()
  let run = try storiesRun(folder, "run")
  _ = try run.train()
  let path = CheckpointFolder(folder.path + "/run/checkpoints").file(step: 12)
  let whole = try Checkpoint(path)
  for name in ["more", "optimizer:mean:more", "other:thing"] {
    try CheckpointFormat.write(whole.progress, to: path) { body in
      for (name, tensor) in whole.weights { try tensor.withElements { try body(name, tensor.shape, $0) } }
      try Tensor(zeros: [2]).withElements { try body(name, [2], $0) }
    }
    #expect { try run.train() } throws: { "\($0)".contains("step-12.checkpoint") }
  }
}
