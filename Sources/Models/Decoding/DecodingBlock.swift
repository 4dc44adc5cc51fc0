internal import NanoAutograd
internal import NanoLayers
internal import NanoTensor

/// What a block keeps of a text.
final class DecodingCache {
  let positions: PositionTiles
  /// The last inputs of the convolution, the newest first; nil without one.
  let history: Scratch<Float>?

  init(_ positions: PositionTiles, history: Scratch<Float>?) {
    self.positions = positions
    self.history = history
  }
}

/// A block as it takes rows through: a class, so that no member copies it.
final class DecodingBlock: Sendable {
  private enum Attention {
    case multiHead(DecodingAttention)
    case latent(DecodingLatentAttention)
  }

  private enum FeedForward {
    case mlp(up: DecodingWeight, down: DecodingWeight, MLP)
    case swiGLU(DecodingExperts)
    case mixture(DecodingMixture)
  }

  private let block: DecoderBlock
  private let attention: Attention
  private let feedForward: FeedForward

  init(_ block: DecoderBlock, _ format: WeightFormat) {
    self.block = block
    attention =
      switch block.attention {
      case .multiHead(let layer): .multiHead(DecodingAttention(layer, format))
      case .latent(let layer): .latent(DecodingLatentAttention(layer, format))
      }
    feedForward =
      switch block.feedForward {
      case .mlp(let network):
        .mlp(up: network.up.decodingWeight(format), down: network.down.decodingWeight(format), network)
      case .swiGLU(let network): .swiGLU(DecodingExperts(network, format))
      case .denseMoE(let mixture): .mixture(DecodingMixture(mixture, format))
      case .sparseMoE(let mixture): .mixture(DecodingMixture(mixture, format))
      }
  }

  var sizes: DecodingSizes {
    var sizes =
      switch attention {
      case .multiHead(let attention): attention.sizes
      case .latent(let attention): attention.sizes
      }
    switch feedForward {
    case .mlp(let up, _, _): sizes.include(DecodingSizes(activations: up.outputs))
    case .swiGLU(let network):
      sizes.include(DecodingSizes(activations: network.activationWidth, memberRow: 2 * network.activationWidth))
    case .mixture(let mixture): sizes.include(mixture.sizes)
    }
    return sizes
  }

  /// Bytes of weights that one row reads.
  var activeByteCount: Int {
    let attention =
      switch attention {
      case .multiHead(let attention): attention.byteCount
      case .latent(let attention): attention.byteCount
      }
    let feedForward =
      switch feedForward {
      case .mlp(let up, let down, _): up.byteCount + down.byteCount
      case .swiGLU(let network): network.byteCount
      case .mixture(let mixture): mixture.activeByteCount
      }
    return attention + feedForward
  }

  func makeCache() -> DecodingCache {
    let positions =
      switch attention {
      case .multiHead(let attention): attention.makeCache()
      case .latent(let attention): attention.makeCache()
      }
    return DecodingCache(positions, history: block.convolution.map { _ in Scratch() })
  }

  /// - Parameter caches: of each text.
  func callAsFunction(_ run: DecodingRun, _ caches: [DecodingCache]) {
    block.attentionNorm.decode(run)
    switch attention {
    case .multiHead(let attention): attention(run, caches)
    case .latent(let attention): attention(run, caches)
    }
    block.feedForwardNorm.decode(run)
    guard let weight = block.convolution?.weight.value else {
      feed(run, run.buffers.normed[run.base])
      return
    }
    run.forEachRow { row, place in convolve(run, row, place, weight, caches) }
    run.team.wait()
    if run.team.index == 0 { keepInputs(run, weight, caches) }
    feed(run, run.buffers.convolved[run.base])
  }

  private func feed(_ run: DecodingRun, _ input: Rows) {
    let (b, team) = (run.buffers, run.team)
    switch feedForward {
    case .mlp(let up, let down, let network):
      let units = team.part(of: up.outputs, inGroupsOf: DecodingWeight.group)
      up.multiply(
        input, count: run.count, outputs: units, into: b.activations.from(column: units.lowerBound))
      for row in 0..<run.count {
        network.activate(b.activations[row].start + units.lowerBound, count: units.count)
      }
      team.wait()
      down.multiply(b.activations, count: run.count, into: b.hidden, adding: true, team)
      team.wait()
    case .swiGLU(let network):
      let all = DecodingExperts.Assignment(rows: nil, gates: nil) { _ in 0..<run.count }
      let activations = Rows(b.activations.start, stride: network.activationWidth)
      network.activate(run, input, all, into: activations)
      team.wait()
      network.add(activations, all, to: b.hidden, team)
      team.wait()
    case .mixture(let mixture): mixture(run, input)
    }
  }

  // MARK: Convolution

  /// `y_t = Σ_k w_k ⊙ x_(t-k)`, with zeros before the first position.
  private func convolve(
    _ run: DecodingRun, _ index: Int, _ place: Int, _ weight: Tensor, _ caches: [DecodingCache]
  ) {
    let (row, b, width) = (run.rows[index], run.buffers, weight.shape.width)
    let output = b.convolved[place].start
    output.update(repeating: 0, count: width)
    let earlier = caches[row.text].history?.numbers(weight.shape.rowCount * width)
    for tap in 0..<min(weight.shape.rowCount, row.position + 1) {
      let input = tap <= row.offset ? b.normed[place - tap].start : earlier! + (tap - row.offset - 1) * width
      kernels.addProduct(input, row: tap, of: weight, to: output)
    }
  }

  /// Keeps of each text the inputs that later positions read: when all members have read those before.
  private func keepInputs(_ run: DecodingRun, _ weight: Tensor, _ caches: [DecodingCache]) {
    let (kept, width) = (weight.shape.rowCount - 1, weight.shape.width)
    for (index, row) in run.rows.enumerated() where row.isLast {
      let inputs = caches[row.text].history!.numbers(weight.shape.rowCount * width)
      for age in (0..<kept).reversed() {
        let input =
          age <= row.offset
          ? run.buffers.normed[run.base + index - age].start : inputs + (age - row.offset - 1) * width
        (inputs + age * width).update(from: input, count: width)
      }
    }
  }
}

extension MLP {
  /// `x ← f(x)`, of functions without a kernel by their operation.
  fileprivate func activate(_ x: UnsafeMutablePointer<Float>, count: Int) {
    switch activation {
    case .relu: kernels.relu(x, count: count)
    case .gelu: kernels.gelu(x, tanh: false, count: count)
    case .geluTanh: kernels.gelu(x, tanh: true, count: count)
    case .reluSquared:
      kernels.relu(x, count: count)
      kernels.square(x, count: count)
    default:
      let units = Tensor(Array(UnsafeBufferPointer(start: x, count: count)), shape: [1, count])
      let output = withExtendedLifetime(Tape(recording: false)) { function($0.constant(units)).value }
      output.withElements { output in
        for unit in 0..<count { x[unit] = output[unit] }
      }
    }
  }
}
