internal import NanoAutograd
internal import NanoCUDA
internal import NanoData
internal import NanoLayers
internal import NanoModels
internal import NanoOptim
internal import NanoTensor

/// A step that was launched on a GPU, and what it leaves there.
struct GPUStep {
  let loss: Tensor
  let parameters: [DeviceParameter]
  /// What the parameters' addresses stand for.
  let gradients: [Tensor]
  let updates: PreparedUpdates
  /// One a micro-batch.
  let recorders: [StatisticsRecorder]
  /// Of all parameters of the model.
  let addresses: [UnsafeMutableRawPointer]

  /// Waits for the layers' reports.
  var statistics: ForwardStatistics {
    var statistics = ForwardStatistics()
    for recorder in recorders { statistics.merge(recorder.statistics) }
    return statistics
  }
}

/// A step recorded as a graph: doing it again is one call and two uploads.
struct RecordedGPUStep {
  let graph: CUDAGraph
  let step: GPUStep
  let kind: GPUStepKind
  /// Where the graph copies tokens from, and which.
  let inputs: [(source: HostBuffer, content: UploadContent)]
}

/// What steps agree in that one graph can do.
struct GPUStepKind: Hashable {
  let sequenceCount, sequenceLength: Int
  let configuration: TrainerConfiguration
}

/// What whole numbers that a step uploads stand for.
enum UploadContent: Hashable {
  case inputs(microBatch: Int)
  case targets(microBatch: Int)
  /// The same in every step.
  case constant

  /// What the uploads of two steps were; nil if one of them is none of these, or could be two.
  static func contents(
    _ first: (parts: [TokenBatch], uploads: [CUDADevice.Upload]),
    _ second: (parts: [TokenBatch], uploads: [CUDADevice.Upload])
  ) -> [UploadContent]? {
    guard first.uploads.count == second.uploads.count else { return nil }
    var contents: [UploadContent] = []
    for (left, right) in zip(first.uploads, second.uploads) {
      var possible: [UploadContent] = left.indices == right.indices ? [.constant] : []
      for index in first.parts.indices {
        let (before, now) = (first.parts[index], second.parts[index])
        if left.indices == before.inputs, right.indices == now.inputs { possible.append(.inputs(microBatch: index)) }
        if left.indices == before.targets, right.indices == now.targets { possible.append(.targets(microBatch: index)) }
      }
      guard possible.count == 1 else { return nil }
      contents += possible
    }
    return contents
  }

  func numbers(of parts: [TokenBatch]) -> [Int32]? {
    switch self {
    case .inputs(let index): parts[index].inputs
    case .targets(let index): parts[index].targets
    case .constant: nil
    }
  }
}

/// What a trainer knows of its steps on a GPU: the uploads of the last one, or a recorded one.
enum GPUStepHistory {
  case none
  case launched(GPUStepKind, parts: [TokenBatch], uploads: [CUDADevice.Upload])
  case recorded(RecordedGPUStep)
}

extension Trainer {
  /// One update from one batch, on the GPU that the model lies on.
  ///
  /// The first step of a kind is launched operation by operation. The second is recorded as a graph: its uploads beside
  /// those of the first show which are tokens and targets. The graph then does this step and those that follow.
  mutating func step(on gpu: CUDADevice, _ batch: TokenBatch) throws(TrainingError) -> StepReport {
    let kind = GPUStepKind(
      sequenceCount: batch.sequenceCount, sequenceLength: batch.sequenceLength, configuration: configuration)
    let parts = microBatches(of: batch)
    if case .recorded(let recorded) = history, recorded.kind == kind, !gpu.isProfiling, hasParameters(of: recorded.step)
    {
      return try replay(recorded, parts)
    }
    if case .launched(kind, let lastParts, let lastUploads) = history, !gpu.isProfiling {
      history = .none
      if let recorded = record(on: gpu, kind, parts, after: (lastParts, lastUploads)) {
        history = .recorded(recorded)
        recordingCount += 1
        return try replay(recorded, parts)
      }
    }
    return try launch(on: gpu, kind, parts)
  }

  private func microBatches(of batch: TokenBatch) -> [TokenBatch] {
    let count = min(configuration.microBatchCount, batch.sequenceCount)
    return (0..<count).map {
      batch[$0 * batch.sequenceCount / count..<($0 + 1) * batch.sequenceCount / count]
    }
  }

  // MARK: Launched

  private mutating func launch(
    on gpu: CUDADevice, _ kind: GPUStepKind, _ parts: [TokenBatch]
  ) throws(TrainingError) -> StepReport {
    var launched: (result: GPUStep?, needed: Int?)
    let uploads = gpu.loggingUploads {
      launched = gpu.enforcingLimit { makeStep(on: gpu, parts) }
      launched.result?.updates.run()
    }
    if let needed = launched.needed {
      history = .none
      gpu.trim()
      throw .memoryLimit(step: stepCount, needed: needed, limit: gpu.limit ?? gpu.totalBytes)
    }
    guard let step = launched.result else { throw deviceError(gpu) }
    history = .launched(kind, parts: parts, uploads: uploads)
    return try finish(step)
  }

  /// Forward, backward and the tables of the updates; nil if memory was not enough or the device failed.
  private mutating func makeStep(on gpu: CUDADevice, _ parts: [TokenBatch]) -> GPUStep? {
    let (loss, gradients, recorders) = gradients(of: parts)
    guard !gpu.isGivingUp, gradients.count == ids.count else { return nil }
    var updates = DeviceUpdates(on: Device(gpu), stepCount: stepCount, loss: loss)
    var parameters: [DeviceParameter] = []
    let (rule, descriptions, roundedWeights) = (rule, descriptions, roundedWeights)
    withParameterValues { values, states in
      for index in values.indices {
        let half = roundedWeights.roundedCopy(of: values[index])
        let parameter = DeviceParameter(
          descriptions[index], value: &values[index], gradient: gradients[index], halfValue: half)
        updates.add(parameter, rule: rule, state: &states[index])
        parameters.append(parameter)
      }
    }
    let prepared = updates.prepared()
    guard !gpu.isGivingUp else { return nil }
    prepared.setStep(
      learningRateFactor: schedule.factor(at: stepCount), clippingLimit: configuration.gradientClip ?? .infinity,
      stepCount: stepCount)
    return GPUStep(
      loss: loss, parameters: parameters, gradients: gradients, updates: prepared, recorders: recorders,
      addresses: parameterAddresses)
  }

  /// The batch's loss and gradients, added up over its micro-batches.
  private func gradients(
    of parts: [TokenBatch]
  ) -> (loss: Tensor, gradients: [Tensor], recorders: [StatisticsRecorder]) {
    let total = parts.reduce(0) { $0 + $1.sequenceCount }
    var (losses, sums, recorders) = (
      nil as Tensor?, [Tensor?](repeating: nil, count: ids.count), [StatisticsRecorder]()
    )
    for part in parts {
      let weight = Float(part.sequenceCount) / Float(total)
      let tape = Tape(precision: configuration.precision, packedWeights: roundedWeights)
      let recorder = StatisticsRecorder()
      let context = ForwardContext(
        tape: tape, sequenceLength: part.sequenceLength, recorder: recorder,
        checkpointsBlocks: configuration.checkpointsActivations)
      let loss = model.loss(inputs: part.inputs, targets: part.targets, in: context)
      let share = parts.count == 1 ? loss.value : loss.value * weight
      losses = losses.map { $0 + share } ?? share
      let gradients = tape.gradients(of: loss, seed: weight)
      for index in ids.indices {
        guard let gradient = gradients[ids[index]] else { continue }
        guard var sum = sums[index] else {
          sums[index] = gradient
          continue
        }
        sums[index] = nil  // so that `sum` is the only owner and adds in place
        sum += gradient
        sums[index] = sum
      }
      recorders.append(recorder)
    }
    return (losses ?? Tensor(zeros: []), sums.compactMap { $0 }, recorders)
  }

  /// Reads what came of a step, and lets the model do what it does by itself.
  private mutating func finish(_ step: GPUStep) throws(TrainingError) -> StepReport {
    let outcome = step.updates.outcome()
    guard let gpu = model.device.gpu, !gpu.isGivingUp else { throw deviceError(model.device.gpu) }
    guard outcome.loss.isFinite else { throw .notFinite(step: stepCount, tensor: "the loss") }
    guard outcome.isFinite else {
      let index = step.updates.sumsOfSquares().firstIndex { !$0.isFinite } ?? 0
      throw .notFinite(step: stepCount, tensor: "the gradient of \(descriptions[index].name)")
    }
    let rule = rule
    withParameterValues { _, states in
      for index in states.indices {
        rule.finishUpdate(of: step.parameters[index], factors: outcome.factors, state: &states[index])
      }
    }
    let statistics = step.statistics
    model.finishStep(statistics, rules: configuration.rules)
    let roundedWeights = roundedWeights
    withParameterValues { values, _ in
      for value in values { roundedWeights.refresh(value) }
    }
    stepCount += 1
    return StepReport(
      loss: Double(outcome.loss), gradientNorm: outcome.gradientNorm,
      learningRateFactor: outcome.factors.learningRate, statistics: statistics, updateSeconds: 0)
  }

  private func deviceError(_ gpu: CUDADevice?) -> TrainingError {
    do throws(CUDAError) {
      try gpu?.check()
      return .device(step: stepCount, reason: "a parameter takes no part in the loss")
    } catch {
      return .device(step: stepCount, reason: "\(error)")
    }
  }

  // MARK: Recorded

  private mutating func record(
    on gpu: CUDADevice, _ kind: GPUStepKind, _ parts: [TokenBatch],
    after last: (parts: [TokenBatch], uploads: [CUDADevice.Upload])
  ) -> RecordedGPUStep? {
    // Blocks that are free would lie idle beside those of the graph.
    gpu.trim()
    var step: GPUStep?
    var graph: CUDAGraph?
    let uploads = gpu.loggingUploads {
      graph = gpu.recordGraph {
        step = gpu.enforcingLimit { makeStep(on: gpu, parts) }.result
        step?.updates.run()
      }
    }
    guard let graph, let step, let contents = UploadContent.contents(last, (parts, uploads)) else { return nil }
    let inputs = zip(uploads, contents).compactMap { upload, content in
      upload.source.map { (source: $0, content: content) }
    }
    guard inputs.count == uploads.count else { return nil }
    return RecordedGPUStep(graph: graph, step: step, kind: kind, inputs: inputs)
  }

  private mutating func replay(
    _ recorded: RecordedGPUStep, _ parts: [TokenBatch]
  ) throws(TrainingError) -> StepReport {
    for (source, content) in recorded.inputs {
      if let numbers = content.numbers(of: parts) { source.set(numbers) }
    }
    recorded.step.updates.setStep(
      learningRateFactor: schedule.factor(at: stepCount), clippingLimit: configuration.gradientClip ?? .infinity,
      stepCount: stepCount)
    recorded.graph.launch()
    return try finish(recorded.step)
  }

  /// Whether the model's parameters lie where a recorded step reads and writes them, and belong to nobody else.
  private mutating func hasParameters(of step: GPUStep) -> Bool {
    var addresses = step.addresses[...]
    var matches = true
    model.visitParameters(.root(wanted: false)) { _, parameter in
      matches = matches && addresses.popFirst() == parameter.value.numbers.start
    }
    withParameterValues { values, _ in
      for index in values.indices { matches = matches && values[index].isUnshared }
    }
    return matches && addresses.isEmpty
  }

  private var parameterAddresses: [UnsafeMutableRawPointer] {
    var copy = model
    var addresses: [UnsafeMutableRawPointer] = []
    copy.visitParameters(.root(wanted: false)) { _, parameter in addresses.append(parameter.value.numbers.start) }
    return addresses
  }
}
