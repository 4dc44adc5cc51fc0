import Foundation
import NanoLayers
import NanoModels
import NanoTestSupport
import Testing

@testable import NanoTraining

@Test func damagedCheckpointsAreRefusedAndTheOneBeforeIsOffered() throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  let run = try storiesRun(folder, "run")
  _ = try run.train(observer: &observer) { false }
  let checkpoints = CheckpointFolder(folder.path + "/run/checkpoints")
  #expect(checkpoints.steps == [8, 12])
  let path = checkpoints.file(step: 12)
  let whole = try Data(contentsOf: URL(fileURLWithPath: path))
  var altered = whole
  altered[whole.count - 1000] ^= 1
  for damaged in [whole.prefix(whole.count / 2), whole.dropLast(1), altered, Data()] {
    try Data(damaged).write(to: URL(fileURLWithPath: path))
    #expect { try run.train(observer: &observer) { false } } throws: {
      "\($0)".contains("damaged") && "\($0)".contains("of step 8")
    }
  }
  try FileManager.default.removeItem(atPath: path)
  #expect(try run.train(observer: &observer) { false }.result.completedIterations == 12)
}

@Test func checkpointsOfAnotherShapeAreNamed() throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  _ = try storiesRun(folder, "run").train(observer: &observer) { false }
  let run = try storiesRun(folder, "run")
  var configuration = run.configuration
  configuration.kimi.attention.keyValueRank = 20
  let other = StoriesRun(
    configuration, model: .nanoKimiK2, dataset: run.dataset, folder: run.folder)
  #expect { try other.train(observer: &observer) { false } } throws: {
    "\($0)".contains("'blocks.0.attention.key_value_down.weight' has shape [40×64], the model needs [28×64]")
  }
}
