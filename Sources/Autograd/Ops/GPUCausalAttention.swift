internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// B sequences, T positions, H heads of key width K and value width W.

/// The kernels of attention.cu or attention_float.cu for a geometry, and how they are launched.
struct GPUCausalAttention {
  let geometry: CausalAttentionOperation.Geometry
  let gpu: CUDADevice
  /// K and W rounded up to what tiles are made of.
  private let keyWidth, valueWidth: Int
  /// Whether operands have 16 bits, and products run on tensor cores.
  private let isHalf: Bool

  /// - Precondition: heads of at most 192 channels, and no dropout.
  init(_ geometry: CausalAttentionOperation.Geometry, on gpu: CUDADevice) {
    checkPrecondition(
      geometry.keyWidth <= 192 && geometry.valueWidth <= 192,
      "attention on a GPU: heads of \(geometry.keyWidth) and \(geometry.valueWidth) channels, at most 192 fit")
    checkPrecondition(geometry.dropout == nil, "attention on a GPU: dropout of probabilities is not computed there")
    self.geometry = geometry
    self.gpu = gpu
    keyWidth = (geometry.keyWidth + 15) / 16 * 16
    valueWidth = (geometry.valueWidth + 15) / 16 * 16
    isHalf = geometry.format != nil
  }

  // MARK: Tiles

  /// Rows of a tile that a warp owns; on tensor cores only.
  private var warpRows: Int { keyWidth + valueWidth <= 128 ? 32 : 16 }

  /// Rows of a tile. Shorter sequences have smaller ones, so that there are enough blocks.
  private var tileRows: Int {
    isHalf && keyWidth + valueWidth <= 128 && geometry.sequenceLength > 512 ? 128 : 64
  }

  private var tileCount: Int { (geometry.sequenceLength + tileRows - 1) / tileRows }
  private var threads: Int { isHalf ? tileRows * 32 / warpRows : 128 }

  private var forwardSharedBytes: Int {
    isHalf
      ? 2 * (tileRows * (max(keyWidth, valueWidth) + 8) + 128 * (keyWidth + valueWidth + 16))
      : 256 * (2 * keyWidth + valueWidth + 80)
  }

  private var backwardSharedBytes: Int {
    isHalf
      ? 2 * (keyWidth + valueWidth + 16) * (tileRows + 128) + 1024
      : 256 * (2 * keyWidth + 2 * valueWidth + 84)
  }

  /// Numbers a pair of what the backward pass knows of rows.
  private var paddedLength: Int { (geometry.sequenceLength + 127) / 128 * 128 }

  // MARK: Kernels

  private func kernel(_ direction: String, vectors: Bool) -> Kernel {
    let flag = vectors ? 1 : 0
    return isHalf
      ? Kernel(
        "attention", "attention_\(direction)_bfloat16_\(keyWidth)_\(valueWidth)_\(tileRows)_\(flag)",
        instance: "ATTENTION_BFLOAT16(\(keyWidth), \(valueWidth), \(tileRows), \(flag))")
      : Kernel(
        "attention_float", "attention_\(direction)_float32_\(keyWidth)_\(valueWidth)_\(flag)",
        instance: "ATTENTION_FLOAT32(\(keyWidth), \(valueWidth), \(flag))")
  }

  /// Whether all rows begin at multiples of 16 bytes and have whole 16 bytes.
  private func areVectors(_ operands: [Numbers]) -> Bool {
    let g = geometry
    let lengths = [g.query, g.key, g.value, g.output].flatMap { [$0.rowStride, $0.headStep] }
    return (lengths + [g.keyWidth, g.valueWidth]).allSatisfy { $0 % (isHalf ? 8 : 4) == 0 }
      && operands.allSatisfy { UInt(bitPattern: $0.start) % 16 == 0 }
  }

  /// From the length to the scale.
  private var extents: [KernelArgument] {
    let g = geometry
    return [g.sequenceLength, g.headCount, g.keyWidth, g.valueWidth].map { .int($0) }
      + [g.query, g.key, g.value, g.output].flatMap { [.int($0.rowStride), .int($0.headStep)] }
      + [.float(g.scale)]
  }

  // MARK: Launches

  /// Writes the output.
  /// - Returns: the log-sum-exp of every row's logits, and if wanted the largest logit of each head.
  func forward(
    _ operands: CausalAttentionOperation.Operands, into output: MutableNumbers, wantsLargestLogits: Bool
  ) -> (logSums: Tensor, largestLogits: Tensor?) {
    let g = geometry
    var logSums = Tensor(uninitialized: [g.pairCount, g.sequenceLength], on: gpu)
    var largestOfTiles = Tensor(uninitialized: [tileCount, g.pairCount], on: gpu)
    let all = [operands.query, operands.key, operands.value, output.numbers]
    gpu.launch(
      kernel("forward", vectors: areVectors(all)), grid: (g.pairCount, tileCount, 1), threads: threads,
      sharedBytes: forwardSharedBytes,
      all.map(\.argument) + [.output(&logSums), .output(&largestOfTiles)] + extents)
    guard wantsLargestLogits else { return (logSums, nil) }
    var largest = Tensor(uninitialized: [g.headCount], on: gpu)
    gpu.launch(
      Kernel("attention_rows", "attention_largest_logits"), blocks: g.headCount, threads: 256,
      [largestOfTiles.argument, .output(&largest)] + [g.sequenceCount, g.headCount, tileCount].map { .int($0) })
    return (logSums, largest)
  }

  /// Writes the gradients of all operands.
  func backward(
    _ gradient: Numbers, _ operands: CausalAttentionOperation.Operands, output: Numbers, logSums: Tensor,
    into gradients: CausalAttentionOperation.Gradients
  ) {
    let g = geometry
    var base2LogSums = Tensor(uninitialized: [g.pairCount, paddedLength], on: gpu)
    var products = Tensor(uninitialized: [g.pairCount, paddedLength], on: gpu)
    let inputs = [operands.query, operands.key, operands.value, gradient]
    let results = [gradients.query, gradients.key, gradients.value].map(\.numbers)
    let vectors = areVectors(inputs + [output] + results)
    gpu.launch(
      Kernel("attention_rows", "attention_row_products"), blocks: (g.pairCount * paddedLength + 15) / 16,
      threads: 256,
      [
        output.argument, gradient.argument, gradient.formatArgument, logSums.argument, .output(&base2LogSums),
        .output(&products),
      ]
        + [
          g.sequenceCount, g.sequenceLength, paddedLength, g.headCount, g.valueWidth, g.output.rowStride,
          g.output.headStep, vectors ? 1 : 0,
        ].map { .int($0) })
    gpu.launch(
      kernel("backward", vectors: vectors), grid: (g.pairCount, 2 * tileCount, 1), threads: threads,
      sharedBytes: backwardSharedBytes,
      inputs.map(\.argument) + [base2LogSums.argument, products.argument] + results.map(\.argument) + extents)
  }
}
