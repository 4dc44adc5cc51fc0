internal import NanoCUDA
internal import NanoTensor

/// The tables of updates in a GPU's memory, and the launches that work through them.
///
/// They hold for as long as parameters, gradients and states lie where they are. ``run()`` only launches, and what
/// changes from step to step is read from the GPU's memory: so it may be recorded in a graph, and what
/// ``setStep(learningRateFactor:clippingLimit:stepCount:)`` gives holds for each replay.
package struct PreparedUpdates {
  private let gpu: CUDADevice
  /// Also holds the memory of those that work in groups.
  private let batches: [MatrixBatch]
  private let smallBatches: [SmallMatrixBatches]
  private let loss: Tensor?
  private let parameterCount: Int

  private let tables: DeviceTables
  private let state, parameters, rules, firstChunks, stacks: Int
  private let allChunks, adamWChunks, sgdChunks, tiles: DeviceTables.Blocks
  /// Every parameter's sum of squares.
  private let sums: Tensor
  /// A sum a block, of all chunks and then of all tiles.
  private let partialSums: Tensor
  /// Every rule's numbers at this step.
  private let factors: Tensor

  init(
    on gpu: CUDADevice, parameters: [ParameterRecord], rules: [RuleRecord], adamW: [Int], sgd: [Int],
    stacks: [BatchedStack], batches: [MatrixBatch], loss: Tensor?
  ) {
    self.gpu = gpu
    var contents = DeviceTables.Contents()
    self.batches = batches
    self.loss = loss
    parameterCount = parameters.count
    state = contents.append([StepRecord()])
    self.parameters = contents.append(parameters)
    self.rules = contents.append(rules)
    let all = ChunkRecord.chunks(of: parameters.indices, parameters)
    var firsts = [Int32](repeating: 0, count: parameters.count + 1)
    for chunk in all { firsts[Int(chunk.parameter) + 1] += 1 }
    for index in parameters.indices { firsts[index + 1] += firsts[index] }
    firstChunks = contents.append(firsts)
    let (stackRecords, tileRecords) = StackRecord.records(of: stacks, batches)
    self.stacks = contents.append(stackRecords)
    allChunks = contents.appendBlocks(all)
    adamWChunks = contents.appendBlocks(ChunkRecord.chunks(of: adamW, parameters))
    sgdChunks = contents.appendBlocks(ChunkRecord.chunks(of: sgd, parameters))
    tiles = contents.appendBlocks(tileRecords)
    smallBatches = SmallMatrixBatches.grouped(batches.filter(\.kind.isSmall), in: &contents)
    tables = DeviceTables(contents, on: gpu)
    func floats(_ count: Int) -> Tensor { Tensor(uninitialized: [count], on: gpu) }
    sums = floats(2 * parameters.count)
    partialSums = floats(2 * max(allChunks.count, tiles.count))
    factors = floats(RuleRecord.factorCount * parameters.count)
  }

  /// What the next run takes from the host. The last one must be done.
  /// - Parameter stepCount: updates of the run so far.
  package func setStep(learningRateFactor: Float, clippingLimit: Float = .infinity, stepCount: Int) {
    let record = StepRecord(
      learningRateFactor: learningRateFactor, clippingLimit: clippingLimit, step: Int64(stepCount + 1))
    tables.store(record, at: state)
  }

  // MARK: Launches

  /// Launches the updates.
  package func run() {
    tables.upload(to: gpu)
    launch("gradient_squares", blocks: allChunks.count, [table(parameters), table(allChunks), partialSums.argument])
    launch("parameter_squares", blocks: parameterCount, [partialSums.argument, table(firstChunks), sums.argument])
    launch(
      "begin_update", blocks: 1,
      [
        table(state), .pointer(loss?.numbers.start), sums.argument, table(rules), factors.argument,
        .int(parameterCount),
      ])
    for (kernel, chunks) in [("adamw_update", adamWChunks), ("sgd_update", sgdChunks)] {
      launch(
        kernel, blocks: chunks.count,
        [table(state), table(parameters), table(rules), factors.argument, table(chunks)])
    }
    updateMatrices()
  }

  private func updateMatrices() {
    launch(
      "matrix_momentum", blocks: tiles.count,
      [
        table(state), table(parameters), table(rules), factors.argument, table(stacks), table(tiles),
        partialSums.argument,
      ])
    launch(
      "matrix_directions", blocks: tiles.count,
      [
        table(state), table(parameters), factors.argument, table(stacks), table(tiles), partialSums.argument,
      ])
    for group in smallBatches { group.iterate(on: gpu, tables) }
    for batch in batches where !batch.kind.isSmall { batch.iterate(on: gpu) }
    launch(
      "matrix_update", blocks: tiles.count,
      [table(state), table(parameters), factors.argument, table(stacks), table(tiles)])
  }

  private func launch(_ name: String, blocks: Int, _ arguments: [KernelArgument]) {
    gpu.launch(Kernel("optimizer", name), blocks: blocks, threads: 256, arguments)
  }

  private func table(_ offset: Int) -> KernelArgument { tables.argument(offset) }

  private func table(_ blocks: DeviceTables.Blocks) -> KernelArgument { tables.argument(blocks.offset) }

  // MARK: Results

  /// What came of the last run, once it is done.
  package func outcome() -> UpdateOutcome {
    var record = StepRecord(isFinite: 0)
    gpu.download(tables.address(state), to: &record, bytes: MemoryLayout<StepRecord>.stride)
    return UpdateOutcome(record)
  }

  /// Every gradient's sum of squares in the last run, in the order in which parameters were added.
  package func sumsOfSquares() -> [Double] {
    [Double](unsafeUninitializedCapacity: parameterCount) { buffer, count in
      buffer.initialize(repeating: .nan)
      if let start = buffer.baseAddress {
        gpu.download(sums.numbers.start, to: start, bytes: parameterCount * MemoryLayout<Double>.stride)
      }
      count = parameterCount
    }
  }
}

/// What came of a step's gradients.
package struct UpdateOutcome: Hashable, Sendable {
  /// Whether all gradients are finite, and the loss where one was given; else nothing was updated.
  package let isFinite: Bool
  /// Of all gradients together, before clipping.
  package let gradientNorm: Float
  /// What parameters were updated by.
  package let factors: StepFactors
  /// The loss, where one was given.
  package let loss: Float

  init(_ record: StepRecord) {
    isFinite = record.isFinite != 0
    gradientNorm = record.norm
    factors = StepFactors(learningRate: record.learningRateFactor, gradient: record.gradientFactor)
    loss = record.loss
  }
}
