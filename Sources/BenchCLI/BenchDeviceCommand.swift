import ArgumentParser
import Foundation
import NanoAutograd
import NanoData
import NanoExperiments
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import NanoTraining

/// `bench-cli bench device`: whether a GPU computes what the CPU computes.
struct BenchDeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device",
    abstract: "Compare a GPU with the CPU: loss, every gradient and some training steps of each model.",
    discussion: CommandConfiguration.examples(
      "bench device", "bench device --model nanokimik2 --size 10M --precision bf16"))

  @Option("Training steps made on both", "count")
  var steps = 20

  @Option("One model alone: nanogpt, nanokimi; of the stories nanogpt2, nanokimik2", "name", default: "all four")
  var model: String?

  @Option("The size of the stories models: \(list(FamilySize.self))", "name")
  var size = FamilySize.tiny.rawValue

  @Option("Sequences in a batch, from 2 to 4096", "sequences")
  var batch = 8

  @Option("Tokens of a stories model's sequences, from 8 to 4096", "tokens")
  var context = 96

  @Option("fp32, fp32-split or bf16", "format", default: "fp32 and bf16")
  var precision: String?

  @OptionGroup var deviceOption: DeviceOption

  private enum ComparedModel: String, CaseIterable {
    case nanoGPT = "nanogpt"
    case nanoKimi = "nanokimi"
    case nanoGPT2 = "nanogpt2"
    case nanoKimiK2 = "nanokimik2"
  }

  /// What was compared, and how far apart the two are.
  private struct Row {
    var name: String
    var precision: Precision
    /// Relative: of the loss to the CPU's, and of a gradient to the CPU's in float32, with what it may be; of the
    /// parameter that comes closest to that.
    var loss, gradient, allowed: Double
    var worst: String
    /// Absolute, after the steps.
    var trained: Double
  }

  /// How far apart the two may be: rounding in another order, and what training makes of it.
  private static func isWithinBounds(_ row: Row) -> Bool {
    switch row.precision {
    case .float32, .float32Split: row.loss < 2e-4 && row.gradient < row.allowed && row.trained < 0.01
    default: row.loss < 5e-3 && row.gradient < row.allowed && row.trained < 0.05
    }
  }

  func validate() throws {
    guard (0...100_000).contains(steps), (2...4096).contains(batch), (8...4096).contains(context) else {
      throw ValidationError("steps must be from 0 to 100000, batch from 2 to 4096 and context from 8 to 4096")
    }
  }

  func run() throws {
    let device = try deviceOption.resolved()
    guard !device.isCPU else { throw RunError("there is no GPU to compare with the CPU") }
    let chosen: Precision? = try choose(precision, for: "precision")
    let storySize: FamilySize = try choose(size, for: "size")
    let models: ComparedModel? = try choose(model, for: "model")
    var rows: [Row] = []
    for precision in chosen.map({ [$0] }) ?? [.float32, .bfloat16] {
      for model in models.map({ [$0] }) ?? ComparedModel.allCases {
        rows.append(try row(of: model, storySize, precision, device))
      }
    }
    print("model           precision  loss     gradient  allowed  trained  gradient that is furthest off")
    for row in rows {
      let name = row.name.padding(toLength: 16, withPad: " ", startingAt: 0)
      let precision = row.precision.rawValue.padding(toLength: 11, withPad: " ", startingAt: 0)
      print(
        String(
          format: "%@%@%.1e  %.1e   %.1e  %.1e  %@%@", name, precision, row.loss, row.gradient, row.allowed,
          row.trained, row.worst, Self.isWithinBounds(row) ? "" : "  OUT OF BOUNDS"))
    }
    let failed = rows.filter { !Self.isWithinBounds($0) }
    if !failed.isEmpty {
      throw RunError(
        "\(failed.map { "\($0.name) in \($0.precision.rawValue)" }.joined(separator: ", ")): the GPU computes something else"
      )
    }
  }

  private func row(
    of model: ComparedModel, _ size: FamilySize, _ precision: Precision, _ device: Device
  ) throws -> Row {
    func ofStories(_ name: ModelName) throws -> Row {
      let experiment = try Preset.stories.experiment(
        name, size: size, vocabularySize: 600, contextLength: self.context)
      return try row("\(name.displayName) \(size.rawValue)", experiment, precision, device)
    }
    func ofCharacters(_ name: ModelName) throws -> Row {
      try row(name.displayName, Preset.publishedCharacters.experiment(name), precision, device)
    }
    return switch model {
    case .nanoGPT: try ofCharacters(.nanoGPT)
    case .nanoKimi: try ofCharacters(.nanoKimi)
    case .nanoGPT2: try ofStories(.nanoGPT)
    case .nanoKimiK2: try ofStories(.nanoKimiK2)
    }
  }

  private func row(
    _ name: String, _ experiment: Experiment, _ precision: Precision, _ device: Device
  ) throws -> Row {
    let (model, vocabulary, context) = (
      try experiment.makeModel(), experiment.model.vocabularySize, experiment.sequenceLength
    )
    let rule = experiment.optimizer.makeOptimizer(precision: precision)
    var generator = RandomGenerator(seed: 3)
    // Text that can be learned: a token follows from the last one, but for one in four.
    var tokens: [Int32] = [0]
    for _ in 0..<20_000 {
      tokens.append(
        generator.nextInt(below: 4) == 0
          ? Int32(generator.nextInt(below: vocabulary)) : (tokens.last! * 7 + 3) % Int32(vocabulary))
    }
    let text = TokenizedText(tokens[...], byteCount: tokens.count, before: 0)
    let batches = (0..<max(1, steps, comparedBatches)).map { _ in
      text.batch(sequenceCount: batch, sequenceLength: context, using: &generator)
    }
    let (hostLoss, gpuLoss, differences) = gradientDifferences(of: model, batches, precision, device)
    var worst = (name: "", difference: 0.0, allowed: Double.infinity)
    for (name, parameter) in model.namedParameters {
      guard let (host, gpu) = differences[parameter.id]?.relative else { continue }
      // In half precision both are off. A GPU rounds about twice as many numbers as the CPU, the logits and what gradients
      // hand on among them: √2 of the difference, and twice leaves room for chance. A router's gradient jumps where rounding
      // changes which experts are chosen.
      let factor = parameter.role == .router ? 4.0 : 2
      let allowed = precision.activationFormat == nil ? 2e-4 : 1e-3 + factor * host
      if !(gpu / allowed <= worst.difference / worst.allowed) { worst = (name, gpu, allowed) }
    }
    let trained = try [Device.cpu, device].map { try trainedLoss(model.on($0), rule, batches.prefix(steps), precision) }
    try device.check()
    return Row(
      name: name, precision: precision, loss: abs(Double(gpuLoss - hostLoss)) / Double(hostLoss),
      gradient: worst.difference, allowed: worst.allowed, worst: worst.name, trained: abs(trained[0] - trained[1]))
  }

  /// Batches whose gradients are compared: 16 sequences at least, since rounding in fewer is a matter of chance.
  private var comparedBatches: Int { max(1, 16 / batch) }

  /// Squares summed over batches: of a gradient in float32, and of how far those of the CPU and the GPU are off.
  private struct GradientDifference {
    var exact = 0.0, host = 0.0, gpu = 0.0

    /// In norm, relative to the gradient.
    var relative: (host: Double, gpu: Double) {
      ((host / max(exact, 1e-20)).squareRoot(), (gpu / max(exact, 1e-20)).squareRoot())
    }
  }

  /// The first batch's loss on both, and how far apart the gradients are.
  private func gradientDifferences(
    of model: some LanguageModel, _ batches: [TokenBatch], _ precision: Precision, _ device: Device
  ) -> (hostLoss: Float, gpuLoss: Float, byParameter: [Parameter.ID: GradientDifference]) {
    let onDevice = model.on(device)
    var losses: [(host: Float, gpu: Float)] = []
    var differences: [Parameter.ID: GradientDifference] = [:]
    for batch in batches.prefix(comparedBatches) {
      let (hostLoss, host) = gradients(of: model, on: batch, precision)
      let (gpuLoss, gpu) = gradients(of: onDevice, on: batch, precision)
      let exact = precision == .float32 ? host : gradients(of: model, on: batch, .float32).1
      losses.append((hostLoss, gpuLoss))
      for (_, parameter) in model.namedParameters {
        guard let exact = exact[parameter.id], let host = host[parameter.id], let gpu = gpu[parameter.id]
        else { continue }
        differences[parameter.id, default: GradientDifference()].exact += exact.sumOfSquares
        differences[parameter.id]!.host += (exact - host).sumOfSquares
        differences[parameter.id]!.gpu += (exact - gpu.on(.cpu)).sumOfSquares
      }
    }
    return (losses[0].host, losses[0].gpu, differences)
  }

  private func gradients(
    of model: some LanguageModel, on batch: TokenBatch, _ precision: Precision
  ) -> (Float, Gradients) {
    valueWithGradients(precision: precision) { tape in
      model.loss(
        inputs: batch.inputs, targets: batch.targets, sequenceLength: batch.sequenceLength, on: tape)
    }
  }

  /// The mean loss of the last quarter of the steps.
  private func trainedLoss<Model: LanguageModel>(
    _ model: Model, _ rule: some Optimizer, _ batches: some Sequence<TokenBatch>, _ precision: Precision
  ) throws -> Double {
    guard steps > 0 else { return 0 }
    var trainer = Trainer(
      model, rule: rule, configuration: TrainerConfiguration(precision: precision, gradientClip: 1))
    var losses: [Double] = []
    for batch in batches { losses.append(try trainer.step(on: batch).loss) }
    return losses.suffix(max(1, steps / 4)).mean
  }
}
