internal import NanoAutograd
internal import NanoLayers
internal import NanoTensor

// E experts of F hidden units, D channels.

/// SwiGLU networks side by side, each of which works on some rows: `Σ_e g_e (W_down,e (silu(u_e) · v_e) + b_down,e)`.
struct DecodingExperts {
  /// Which rows each expert works on, sorted by expert.
  struct Assignment {
    /// Nil for all rows in order.
    let rows: UnsafePointer<Int32>?
    /// Nil for 1.
    let gates: UnsafePointer<Float>?
    /// Of an expert, where its rows begin and end.
    let range: (_ expert: Int) -> Range<Int>
  }

  private let expertCount, hiddenWidth, width: Int
  /// E·2F × D, each expert's gate rows above its up rows.
  private let gateUp: DecodingWeight
  /// E·D × F
  private let down: DecodingWeight
  /// E×D; nil for none.
  private let downBias: Tensor?

  init(gateUp: DecodingWeight, down: Tensor, downBias: Tensor?, expertCount: Int, _ format: WeightFormat) {
    self.expertCount = expertCount
    self.gateUp = gateUp
    self.down = DecodingWeight(down, format: format)
    self.downBias = downBias
    hiddenWidth = down.shape.width
    width = gateUp.depth
  }

  init(_ network: SwiGLU, _ format: WeightFormat) {
    self.init(
      gateUp: network.gateUp.decodingWeight(format), down: network.down.weight.value,
      downBias: network.down.bias?.value, expertCount: 1, format)
  }

  /// Of one expert on one row.
  var activationWidth: Int { hiddenWidth }
  /// Of the weights of all experts.
  var byteCount: Int { gateUp.byteCount + down.byteCount }

  /// The weighted activations of this member's hidden units, a row an assignment.
  func activate(_ run: DecodingRun, _ input: Rows, _ assignment: Assignment, into activations: Rows) {
    let units = run.team.part(of: hiddenWidth, inGroupsOf: DecodingWeight.group)
    let both = Rows(run.own.rows, stride: 2 * units.count)
    for expert in 0..<expertCount {
      let own = assignment.range(expert)
      guard !own.isEmpty, !units.isEmpty else { continue }
      let (rows, firstGate) = (assignment.rows.map { $0 + own.lowerBound }, expert * 2 * hiddenWidth)
      for (first, column) in [(firstGate, 0), (firstGate + hiddenWidth, units.count)] {
        gateUp.multiply(
          input, count: own.count, reading: rows, outputs: first + units.lowerBound..<first + units.upperBound,
          into: both.from(column: column))
      }
      for (index, place) in own.enumerated() {
        kernels.gatedSwiGLU(
          both[index].start, gate: assignment.gates?[place] ?? 1, width: units.count,
          into: activations[place].start + units.lowerBound)
      }
    }
  }

  /// Adds this member's channels of what the experts make of their activations.
  func add(_ activations: Rows, _ assignment: Assignment, to result: Rows, _ team: Team) {
    let channels = team.part(of: width, inGroupsOf: DecodingWeight.group)
    for expert in 0..<expertCount {
      let own = assignment.range(expert)
      guard !own.isEmpty, !channels.isEmpty else { continue }
      let first = expert * width + channels.lowerBound
      down.multiply(
        activations[own.lowerBound], count: own.count, outputs: first..<first + channels.count,
        into: result.from(column: channels.lowerBound), writing: assignment.rows.map { $0 + own.lowerBound },
        adding: true)
      guard let downBias else { continue }
      for place in own {
        kernels.addScaled(
          downBias, from: first, factor: assignment.gates?[place] ?? 1,
          to: result[assignment.rows.map { Int($0[place]) } ?? place].start + channels.lowerBound, count: channels.count
        )
      }
    }
  }
}

/// A mixture of experts, dense or sparse, with a shared network beside it if there is one.
struct DecodingMixture {
  private enum Choice {
    /// All experts, weighed by a softmax.
    case all
    case best(SparseMoE.Configuration, biases: [Float])
  }

  private let router: DecodingWeight
  private let choice: Choice
  private let expertCount, expertsPerRow: Int
  private let experts: DecodingExperts
  private let shared: DecodingExperts?

  init(_ mixture: DenseMoE, _ format: WeightFormat) {
    router = mixture.router.decodingWeight(.float32)
    expertCount = router.outputs
    expertsPerRow = expertCount
    choice = .all
    experts = DecodingExperts(
      gateUp: mixture.gateUp.decodingWeight(format), down: mixture.down.value, downBias: mixture.downBias?.value,
      expertCount: expertCount, format)
    shared = nil
  }

  init(_ mixture: SparseMoE, _ format: WeightFormat) {
    router = mixture.router.decodingWeight(.float32)
    expertCount = router.outputs
    expertsPerRow = mixture.configuration.topK
    choice = .best(mixture.configuration, biases: mixture.selectionBiases.value.scalars)
    experts = DecodingExperts(
      gateUp: DecodingWeight(mixture.gateUp.value, format: format), down: mixture.down.value, downBias: nil,
      expertCount: expertCount, format)
    shared = mixture.shared.map { DecodingExperts($0, format) }
  }

  var sizes: DecodingSizes {
    let sharedWidth = shared?.activationWidth ?? 0
    return DecodingSizes(
      activations: expertsPerRow * experts.activationWidth + sharedWidth,
      memberRow: 2 * max(expertsPerRow * experts.activationWidth, sharedWidth), experts: expertCount,
      expertsPerRow: expertsPerRow)
  }
  /// Of the weights that one row reads.
  var activeByteCount: Int {
    router.byteCount + experts.byteCount / expertCount * expertsPerRow + (shared?.byteCount ?? 0)
  }

  func callAsFunction(_ run: DecodingRun, _ input: Rows) {
    let b = run.buffers
    run.forEachRow { row, place in route(input[row].start, run.own.ranks, b, place) }
    let assignment = sortedRows(run)
    let all = DecodingExperts.Assignment(rows: nil, gates: nil) { _ in 0..<run.count }
    let routed = Rows(b.activations.start, stride: experts.activationWidth)
    let sharedActivations = shared.map {
      Rows(
        b.activations.start + run.count * expertsPerRow * experts.activationWidth, stride: $0.activationWidth)
    }
    experts.activate(run, input, assignment, into: routed)
    if let shared, let sharedActivations { shared.activate(run, input, all, into: sharedActivations) }
    run.team.wait()
    experts.add(routed, assignment, to: b.hidden, run.team)
    if let shared, let sharedActivations { shared.add(sharedActivations, all, to: b.hidden, run.team) }
    run.team.wait()
  }

  /// Writes which experts a row goes to, and their weights.
  private func route(
    _ input: UnsafeMutablePointer<Float>, _ scores: UnsafeMutablePointer<Float>, _ b: DecodingBuffers, _ place: Int
  ) {
    router.multiply(Rows(input, stride: 0), count: 1, outputs: 0..<expertCount, into: Rows(scores, stride: 0))
    let (chosen, gates) = (b.chosen + place * expertsPerRow, b.gates + place * expertsPerRow)
    switch choice {
    case .all:
      kernels.softmax(scores, count: expertCount)
      for expert in 0..<expertCount { (chosen[expert], gates[expert]) = (Int32(expert), scores[expert]) }
    case .best(let c, let biases):
      switch c.scoring {
      case .sigmoid: kernels.sigmoid(scores, count: expertCount)
      case .softmax: kernels.softmax(scores, count: expertCount)
      }
      var ranked = biases
      for expert in 0..<expertCount { ranked[expert] += scores[expert] }
      var sum: Float = 1e-20
      ExpertSelection.take(expertsPerRow, from: &ranked, groups: c.groups) { slot, expert in
        (chosen[slot], gates[slot]) = (Int32(expert), scores[expert])
        sum += scores[expert]
      }
      for slot in 0..<expertsPerRow { gates[slot] *= c.scale / (c.normalizesWeights ? sum : 1) }
    }
  }

  /// The rows by expert, in their order: each member sorts for itself.
  private func sortedRows(_ run: DecodingRun) -> DecodingExperts.Assignment {
    let (b, own) = (run.buffers, run.own)
    let places = run.base * expertsPerRow..<(run.base + run.count) * expertsPerRow
    own.offsets.update(repeating: 0, count: expertCount + 2)
    for place in places { own.offsets[Int(b.chosen[place]) + 2] += 1 }
    for expert in 0..<expertCount { own.offsets[expert + 2] += own.offsets[expert + 1] }
    // Now the next place of expert e is at e + 1; when all are placed, its end.
    for place in places {
      let expert = Int(b.chosen[place])
      let next = own.offsets[expert + 1]
      own.sortedRows[next] = Int32(place / expertsPerRow - run.base)
      own.sortedGates[next] = b.gates[place]
      own.offsets[expert + 1] = next + 1
    }
    return DecodingExperts.Assignment(rows: own.sortedRows, gates: own.sortedGates) {
      own.offsets[$0]..<own.offsets[$0 + 1]
    }
  }
}
