import ModelsTestSupport
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import TensorTestSupport
import Testing

@testable import NanoTraining

@Test(arguments: [1, 2, 4]) func tenStepsMatchPyTorch(shards: Int) throws {
  let golden = try Fixture.load("character_models")
  let gpt = try goldenLosses(
    goldenModel(.nanoGPT), AdamW(learningRate: 1e-3), shards: shards)
  #expect(relativeDifference(gpt, golden["nanogpt.losses"]!.scalars) < 1e-4)
  let kimi = try goldenLosses(goldenModel(.nanoKimi), kimiRule, shards: shards)
  #expect(relativeDifference(kimi, golden["nanokimi.losses"]!.scalars) < 1e-4)
}

@Test func tenStepsOfTheStudysModelsMatchPyTorch() throws {
  let golden = try Fixture.load("character_models")
  let gpt = try goldenLosses(
    goldenModel(.nanoGPT, .full), AdamW(learningRate: 1e-3), size: .full)
  #expect(relativeDifference(gpt, golden["full.nanogpt.losses"]!.scalars) < 1e-4)
  let kimi = try goldenLosses(goldenModel(.nanoKimi, .full), kimiRule, size: .full)
  #expect(relativeDifference(kimi, golden["full.nanokimi.losses"]!.scalars) < 1e-4)
}

@Test func halfPrecisionStaysClose() throws {
  let exact = try goldenLosses(goldenModel(.nanoKimi), kimiRule)
  let split = try goldenLosses(goldenModel(.nanoKimi), kimiRule, precision: .float32Split)
  let half = try goldenLosses(goldenModel(.nanoKimi), kimiRule, precision: .bfloat16)
  #expect(relativeDifference(split, exact) < 1e-4)
  #expect(relativeDifference(half, exact) < 2e-2 && half != exact)
}

@Test(arguments: [Precision.bfloat16, .float16])
func halfPrecisionLearnsAsFloat32Does(precision: Precision) throws {
  func losses(_ precision: Precision) throws -> [Double] {
    var trainer = Trainer(
      try smallKimi(), rule: storiesRule(precision: precision),
      configuration: TrainerConfiguration(shardCount: 2, precision: precision, gradientClip: 1))
    return try (0..<15).map { _ in try trainer.step(on: batch(0)).loss }
  }
  let (exact, rounded) = (try losses(.float32), try losses(precision))
  #expect(exact[14] < exact[0] - 0.5)
  #expect(abs(rounded[14] - exact[14]) < 0.1)
  #expect(rounded != exact)
}

/// With fewer threads than shards these share packed weights.
@Test(arguments: [Precision.float32, .bfloat16])
func sameBitsOnAnyNumberOfThreads(precision: Precision) throws {
  func weights(threads: Int) throws -> [[Float]] {
    var trainer = Trainer(
      try goldenModel(.nanoKimi), rule: kimiRule,
      configuration: TrainerConfiguration(shardCount: 4, precision: precision),
      pool: WorkerPool(threadCount: threads))
    for step in 0..<5 { _ = try trainer.step(on: goldenBatch(step)) }
    return trainer.model.weights.map(\.tensor.scalars)
  }
  let one = try weights(threads: 1)
  #expect(try weights(threads: 2) == one)
  #expect(try weights(threads: 4) == one)
}

@Test(arguments: [Precision.float32, .bfloat16])
func storiesStepsHaveTheSameBitsOnAnyNumberOfThreads(precision: Precision) throws {
  func check(_ model: some LanguageModel) throws {
    let weights = try [1, 2, 4].map { threads in
      try trainedWeights(model, threads: threads) {
        $0.precision = precision
        $0.shardCount = 4
      }
    }
    #expect(weights[1] == weights[0])
    #expect(weights[2] == weights[0])
  }
  try check(smallKimi())
  try check(smallGPT())
}

@Test func halvingMicroBatchesLeavesGradientsEqual() throws {
  // One step of plain gradient descent shows the gradient.
  func step(_ microBatches: Int) throws -> [Float] {
    var trainer = Trainer(
      try smallKimi(), rule: SGD(learningRate: 1),
      configuration: TrainerConfiguration(
        shardCount: 2, microBatchCount: microBatches, rules: StepRules(selectionBiasRate: 0)))
    _ = try trainer.step(on: batch(0))
    return trainer.model.weights.flatMap(\.tensor.scalars)
  }
  let whole = try step(1)
  for microBatches in [2, 4, 8] {
    #expect(relativeDifference(try step(microBatches), whole) < 1e-5, "\(microBatches)")
  }
}

@Test func recomputedActivationsGiveTheSameBits() throws {
  let kimi = try smallKimi {
    $0.sparseMoE?.balanceLossCoefficient = 0.01
    $0.sparseMoE?.zLossCoefficient = 0.01
  }
  #expect(try trainedWeights(kimi) { $0.checkpointsActivations = true } == trainedWeights(kimi))
  #expect(try trainedWeights(smallGPT()) { $0.checkpointsActivations = true } == trainedWeights(smallGPT()))
}

@Test func dropoutDependsOnStepAndSequenceAlone() throws {
  func dropped(_ change: (inout TrainerConfiguration) -> Void) throws -> [Float] {
    try trainedWeights(smallGPT(), steps: 1) {
      $0.dropout = 0.3
      $0.dropoutSeed = 7
      $0.gradientClip = nil
      change(&$0)
    }
  }
  let whole = try dropped { _ in }
  #expect(try dropped { $0.checkpointsActivations = true } == whole)
  #expect(relativeDifference(try dropped { $0.microBatchCount = 4 }, whole) < 1e-3)
  #expect(relativeDifference(try dropped { $0.shardCount = 4 }, whole) < 1e-3)
  #expect(relativeDifference(try dropped { $0.dropoutSeed = 8 }, whole) > 1e-2)
  #expect(relativeDifference(try dropped { $0.dropout = 0 }, whole) > 1e-2)
}

@Test func selectionBiasesMoveAndAreNotTrained() throws {
  let model = try smallKimi()
  var trainer = Trainer(model, rule: AdamW(), configuration: TrainerConfiguration(shardCount: 2))
  let report = try trainer.step(on: batch(0))
  guard case .sparseMoE(let mixture) = trainer.model.blocks[1].feedForward else {
    Issue.record("the second layer is not sparse")
    return
  }
  let loads = report.statistics.routing[0].loads
  #expect(loads.reduce(0, +) == 8 * 16 * 2)
  let mean = 8 * 16 * 2 / loads.count
  let biases = mixture.selectionBiases.value.scalars
  let (busiest, idlest) = (loads.firstIndex(of: loads.max()!)!, loads.firstIndex(of: loads.min()!)!)
  #expect(loads[busiest] > mean && biases[busiest] < biases[idlest])
  #expect(abs(biases.reduce(0, +)) < 1e-6)
}

@Test func gradientClippingLimitsTheStep() throws {
  func firstWeights(clip: Float?) throws -> [Float] {
    var trainer = Trainer(
      try goldenModel(.nanoGPT), rule: SGD(learningRate: 1),
      configuration: TrainerConfiguration(gradientClip: clip))
    let report = try trainer.step(on: goldenBatch(0))
    #expect(report.gradientNorm > 0.1)
    return trainer.model.weights.flatMap(\.tensor.scalars)
  }
  let start = try goldenModel(.nanoGPT).weights.flatMap(\.tensor.scalars)
  let differences: [Float] = zip(try firstWeights(clip: 0.01), start).map { $0 - $1 }
  var moved = GlobalNorm()
  moved.add(differences.span)
  #expect(abs(moved.value - 0.01) < 1e-4)
}

@Test func notFiniteStopsBeforeTheWeightsChange() throws {
  var model = try goldenModel(.nanoGPT)
  model.head!.bias!.value = Tensor(repeating: .nan, shape: [13])
  let before = model.weights.map(\.tensor.scalars.description)
  var trainer = Trainer(model, rule: AdamW())
  #expect(throws: TrainingError.notFinite(step: 0, tensor: "the loss")) {
    _ = try trainer.step(on: goldenBatch(0))
  }
  #expect(trainer.model.weights.map(\.tensor.scalars.description) == before)
}

/// With another rate from the third step on, as rule and as schedule.
@Test func ruleAndScheduleMayChangeBetweenSteps() throws {
  func losses(_ change: (inout Trainer<Decoder, SGD>) -> Void) throws -> [Double] {
    var trainer = Trainer(try smallGPT(), rule: SGD(learningRate: 0.1))
    return try (0..<5).map { step in
      if step == 2 { change(&trainer) }
      return try trainer.step(on: batch(0)).loss
    }
  }
  let (same, rule) = (try losses { _ in }, try losses { $0.rule.learningRate = 0.4 })
  #expect(rule == (try losses { $0.schedule = ConstantFactor(factor: 4) }))
  #expect(rule.prefix(3) == same.prefix(3) && rule[4] != same[4])
}

private struct ConstantFactor: LearningRateSchedule {
  let factor: Float
  func factor(at step: Int) -> Float { factor }
}
