import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import TensorTestSupport
import Testing

@testable import NanoTraining

/// Training on a GPU, here the emulated one, is what it is on the host.
@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct TrainerOnGPUTests {
  private let muon = storiesRule()

  private func configuration(_ change: (inout TrainerConfiguration) -> Void = { _ in }) -> TrainerConfiguration {
    var configuration = TrainerConfiguration(shardCount: 2, gradientClip: 1)
    change(&configuration)
    return configuration
  }

  private func losses<Model: LanguageModel>(
    _ model: Model, on device: Device, steps: Int = 6,
    _ change: (inout TrainerConfiguration) -> Void = { _ in }
  ) throws -> (losses: [Double], recordings: Int, weights: [Float]) {
    var trainer = Trainer(model.on(device), rule: muon, configuration: configuration(change))
    let losses = try (0..<steps).map { try trainer.step(on: batch($0)).loss }
    return (losses, trainer.recordingCount, trainer.model.weights.flatMap(\.tensor.scalars))
  }

  private func compare(
    _ model: some LanguageModel, tolerance: Double = 1e-4, _ change: (inout TrainerConfiguration) -> Void = { _ in }
  ) throws {
    let host = try losses(model, on: .cpu, change)
    try EmulatedGPU.withDevice { device in
      let gpu = try losses(model, on: device, change)
      for (left, right) in zip(host.losses, gpu.losses) { #expect(abs(left - right) < tolerance * left) }
      // All steps behind the first are one graph.
      #expect(gpu.recordings == 1)
    }
  }

  /// A recorded step holds the rule's settings, so it is recorded anew.
  @Test func aChangedRuleIsUsed() throws {
    func losses(on device: Device) throws -> [Double] {
      var trainer = Trainer(try smallGPT().on(device), rule: SGD(learningRate: 0.1), configuration: configuration())
      return try (0..<6).map { step in
        if step == 3 { trainer.rule.learningRate = 0.8 }
        return try trainer.step(on: batch(0)).loss
      }
    }
    let host = try losses(on: .cpu)
    try EmulatedGPU.withDevice { device in
      for (left, right) in zip(host, try losses(on: device)) { #expect(abs(left - right) < 1e-4 * left) }
    }
  }

  @Test func losesAsTheHostDoes() throws {
    try compare(try smallGPT())
    try compare(try smallBest())
    try compare(try smallKimi())
  }

  /// Parts that no preset has together.
  @Test(arguments: [Precision.float32, .bfloat16]) func mixturesOfParts(precision: Precision) throws {
    let mixtures: [[String: String]] = [
      ["positions": "rotary", "qkNorm": "true", "norm": "rmsNorm", "feedForward": "swiGLU"],
      ["attention": "latent", "qkNorm": "true", "activation": "relu-squared", "bias": "false"],
      ["attention": "latent", "positions": "rotary", "feedForward": "denseMoE", "head": "own"],
      ["positions": "rotary", "feedForward": "sparseMoE", "bias": "true"],
    ]
    for settings in mixtures {
      var recipe = ModelRecipe(.nanoGPT2)
      for (key, value) in settings.merging(["width": "32", "heads": "2", "layers": "2"], uniquingKeysWith: { $1 }) {
        try recipe.set(key, to: value)
      }
      var generator = RandomGenerator(seed: 13)
      let model = try Decoder(recipe.configuration(vocabularySize: 50, contextLength: 16), using: &generator)
      try compare(model, tolerance: precision == .float32 ? 1e-4 : 5e-3) { $0.precision = precision }
    }
  }

  @Test func inHalfPrecision() throws {
    try compare(try smallGPT(), tolerance: 2e-3) { $0.precision = .bfloat16 }
    try compare(try smallKimi(), tolerance: 5e-3) { $0.precision = .bfloat16 }
  }

  @Test func splitProductsGiveFloat32sGradients() throws {
    func gradients(_ model: Decoder, on device: Device, _ precision: Precision) -> [[Float]] {
      let (batch, moved) = (batch(0), model.on(device))
      let gradients = valueWithGradients(precision: precision) { tape in
        moved.loss(inputs: batch.inputs, targets: batch.targets, sequenceLength: batch.sequenceLength, on: tape)
      }.gradients
      return model.namedParameters.compactMap { gradients[$0.parameter.id]?.scalars }
    }
    for model in [try smallGPT(), try smallKimi()] {
      let host = gradients(model, on: .cpu, .float32)
      let plain = try EmulatedGPU.withDevice { gradients(model, on: $0, .float32) }
      let split = try EmulatedGPU.withDeviceSplittingAll { gradients(model, on: $0, .float32Split) }
      #expect(split.count == host.count && split != plain)
      for (left, right) in zip(host, split) { #expect(relativeDifference(left, right) < 2e-5) }
    }
  }

  @Test func inMicroBatchesAndWithActivationsRecomputed() throws {
    try compare(try smallGPT()) { $0.microBatchCount = 3 }
    try compare(try smallKimi()) { $0.checkpointsActivations = true }
  }

  @Test func givesTheSameBitsEveryTime() throws {
    try EmulatedGPU.withDevice { device in
      let first = try losses(try smallKimi(), on: device) { $0.precision = .bfloat16 }
      let second = try losses(try smallKimi(), on: device) { $0.precision = .bfloat16 }
      #expect(first.weights == second.weights && first.losses == second.losses)
    }
  }

  /// From the host to a GPU and back, weights and optimizer states go along.
  @Test func goesOnWhereAnotherDeviceStopped() throws {
    let fresh = try smallKimi()
    let uninterrupted = try losses(fresh, on: .cpu, steps: 9).losses
    try EmulatedGPU.withDevice { device in
      var model = fresh
      var snapshot: [String: StateSnapshot]?
      var resumed: [Double] = []
      for (part, device) in [device, .cpu, device].enumerated() {
        var trainer = Trainer(model.on(device), rule: muon, configuration: configuration())
        if let snapshot { try trainer.restore(stepCount: 3 * part, lossScale: nil, optimizer: snapshot) }
        for step in 3 * part..<3 * part + 3 { resumed.append(try trainer.step(on: batch(step)).loss) }
        snapshot = trainer.optimizerSnapshot
        model = trainer.model
      }
      for (left, right) in zip(uninterrupted, resumed) { #expect(abs(left - right) < 1e-4 * left) }
    }
  }

  @Test func leavesTheModelAsItWasWhenALossIsNotFinite() throws {
    try EmulatedGPU.withDevice { device in
      var model = try smallGPT()
      let width = model.configuration.width
      model.finalNorm = .layerNorm(
        LayerNorm(gain: Tensor(repeating: .infinity, shape: [width]), bias: Tensor(zeros: [width])))
      let before = model.weights.flatMap(\.tensor.scalars)
      var trainer = Trainer(model.on(device), rule: muon, configuration: configuration())
      #expect(throws: TrainingError.self) { try trainer.step(on: batch(0)) }
      #expect(trainer.model.weights.flatMap(\.tensor.scalars) == before)
    }
  }

  @Test func saysWhatMemoryAStepNeeds() throws {
    try EmulatedGPU.withDevice { device in
      var trainer = Trainer(try smallGPT().on(device), rule: muon, configuration: configuration())
      device.memoryLimit = try #require(device.memory).currentBytes + 30_000
      defer { device.memoryLimit = nil }
      do {
        _ = try trainer.step(on: batch(0))
        Issue.record("the step passed a limit that it needs more than")
      } catch TrainingError.memoryLimit(_, let needed, let limit) {
        #expect(needed > limit)
      }
      device.memoryLimit = nil
      #expect(try trainer.step(on: batch(0)).loss.isFinite)
    }
  }

  @Test func aWeightThatTheHostWritesIsReadByTheNextStep() throws {
    try EmulatedGPU.withDevice { device in
      func losses(writing: Bool) throws -> [Double] {
        var trainer = Trainer(
          try smallKimi().on(device), rule: muon,
          configuration: configuration {
            $0.precision = .bfloat16
            // A threshold that is always passed: queries and keys are scaled after every step.
            if writing { $0.rules.queryKeyClip = 1e-3 }
          })
        return try (0..<4).map { try trainer.step(on: batch($0)).loss }
      }
      let (plain, clipped) = (try losses(writing: false), try losses(writing: true))
      #expect(plain[0] == clipped[0] && plain[2] != clipped[2])
      let host = try self.losses(try smallKimi(), on: .cpu, steps: 4) {
        $0.precision = .bfloat16; $0.rules.queryKeyClip = 1e-3
      }
      for (left, right) in zip(host.losses, clipped) { #expect(abs(left - right) < 5e-3 * left) }
    }
  }
}
