internal import Foundation
internal import NanoCUDA
internal import NanoPreconditions
public import NanoTensor

// N rows, E experts, k chosen ones a row.

/// How a router's logits become affinities of a token to the experts.
public enum RouterScoring: String, Hashable, Sendable, Codable {
  /// Each by itself: `σ(z)` (DeepSeek-V3, Kimi K2).
  case sigmoid
  /// Together: `softmax(z)` (Switch, Mixtral).
  case softmax

  /// As kernels number it.
  var argument: KernelArgument { .int(self == .sigmoid ? 0 : 1) }
}

/// Experts side by side in groups of equal size, of which each row uses a few.
public struct ExpertGroups: Hashable, Sendable, Codable {
  /// How many groups there are.
  public var count: Int
  /// How many of them a row's experts come from: those whose two best experts have the largest sum of score + bias.
  public var topK: Int

  /// Some of equal groups of experts.
  /// - Precondition: `topK` is from 1 to `count`, and `count` divides the number of experts.
  public init(count: Int, topK: Int) {
    self.count = count
    self.topK = topK
  }

  /// Sets what lies outside the chosen groups to -∞.
  fileprivate func restrict(_ ranked: inout [Float]) {
    let size = ranked.count / count
    let sums = (0..<count).map { group in
      ranked[group * size..<(group + 1) * size].sorted(by: >).prefix(2).reduce(0, +)
    }
    // Of equal groups the first is chosen.
    let order = (0..<count).sorted { (sums[$1], $0) < (sums[$0], $1) }
    for group in order.dropFirst(topK) {
      for expert in group * size..<(group + 1) * size { ranked[expert] = -.infinity }
    }
  }
}

/// Which experts each row goes to. On a GPU that is known there, and reading it waits for the GPU.
public struct ExpertSelection: Sendable {
  /// Experts that a row chooses.
  public let countPerRow: Int
  /// Experts there are.
  public let expertCount: Int
  /// Affinities of all experts, N×E.
  let scores_NE: Tensor
  private let chosen: Chosen

  private enum Chosen {
    case host([Int32])
    case gpu(DispatchPlan)
  }

  init(experts: [Int32], countPerRow: Int, scores_NE: Tensor) {
    self.countPerRow = countPerRow
    self.scores_NE = scores_NE
    expertCount = scores_NE.shape.width
    chosen = .host(experts)
  }

  init(_ plan: DispatchPlan, scores_NE: Tensor) {
    countPerRow = plan.countPerRow
    expertCount = plan.expertCount
    self.scores_NE = scores_NE
    chosen = .gpu(plan)
  }

  /// N×k, each row's experts from the highest score down.
  public var experts: [Int32] {
    switch chosen {
    case .host(let experts): experts
    case .gpu(let plan): plan.chosen.values
    }
  }

  /// What a GPU knows of the choice; nil on the host.
  var plan: DispatchPlan? {
    switch chosen {
    case .host: nil
    case .gpu(let plan): plan
    }
  }

  /// On a GPU, the loads, the sum of the scores' entropies and the largest logit, E + 2 numbers that may be read
  /// when the work is done.
  package var summary: Tensor? { plan?.summary }

  /// Rows that chose.
  public var rowCount: Int { scores_NE.shape.rowCount }

  /// How many rows each expert was chosen for.
  public var loads: [Int] {
    experts.reduce(into: Array(repeating: 0, count: expertCount)) { $0[Int($1)] += 1 }
  }

  /// Of every row, the entropy in nats of its scores, normalized to sum to 1.
  public var scoreEntropies: [Double] {
    let allScores = scores_NE.scalars
    return (0..<rowCount).map { row in
      let scores = allScores[row * expertCount..<(row + 1) * expertCount]
      let sum = scores.reduce(0, +)
      return scores.reduce(0.0) { entropy, score in
        let share = Double(score / sum)
        return share > 0 ? entropy - share * log(share) : entropy
      }
    }
  }

  /// Takes the `count` experts of the largest score + bias of every row, if there are groups within the chosen ones;
  /// the lower index wins a tie.
  static func top(
    _ count: Int, scores_NE: Tensor, biases: Tensor?, groups: ExpertGroups?
  ) -> ExpertSelection {
    let (rows, experts) = (scores_NE.shape.rowCount, scores_NE.shape.width)
    var chosen = [Int32](repeating: 0, count: rows * count)
    var ranked = [Float](repeating: 0, count: experts)
    let (scores, biases) = (scores_NE.scalars, biases?.scalars)
    for row in 0..<rows {
      for expert in 0..<experts { ranked[expert] = scores[row * experts + expert] + (biases?[expert] ?? 0) }
      take(count, from: &ranked, groups: groups) { chosen[row * count + $0] = Int32($1) }
    }
    return ExpertSelection(experts: chosen, countPerRow: count, scores_NE: scores_NE)
  }

  /// Tells the `count` experts of the largest ranks, the best first, of which the lower index wins a tie. Uses up the ranks.
  package static func take(
    _ count: Int, from ranked: inout [Float], groups: ExpertGroups?, _ body: (_ slot: Int, _ expert: Int) -> Void
  ) {
    groups?.restrict(&ranked)
    for slot in 0..<count {
      var best = 0
      for expert in 1..<max(ranked.count, 1) where ranked[expert] > ranked[best] { best = expert }
      body(slot, best)
      ranked[best] = -.infinity
    }
  }
}

/// The weights of the chosen experts: `w = λ s / Σ s` over the chosen, or `λ s`.
enum RoutingOperation {
  struct Saved {
    let selection: ExpertSelection
    /// Σ s + 1e-20 over the chosen of each row, or 1; on the host alone.
    let sums: [Float]
    let scoring: RouterScoring
    let normalizes: Bool
    let scale: Float
  }

  /// Scores, choice, weights and plan in two launches.
  static func forward(
    _ logits: Tensor, topK k: Int, biases: Tensor?, scoring: RouterScoring, normalizes: Bool,
    scale: Float, on gpu: CUDADevice
  ) -> (weights_NK: Tensor, saved: Saved) {
    let (rows, experts) = (logits.shape.rowCount, logits.shape.width)
    let blocks = (rows + rowsPerBlock - 1) / rowsPerBlock
    var scores = Tensor(uninitialized: logits.shape, on: gpu)
    var weights = Tensor(uninitialized: [rows, k], on: gpu)
    var partial = Tensor(uninitialized: [2 * blocks], on: gpu)
    var chosen = DeviceIndices(uninitialized: rows * k, on: gpu)
    gpu.launch(
      Kernel("routing", "route"), blocks: blocks, threads: threadsPerBlock,
      [
        logits.argument, biases?.argument ?? .pointer(nil), .output(&scores), .output(&chosen),
        .output(&weights), .output(&partial), .int(rows), .int(experts), .int(k), scoring.argument,
        .int(normalizes ? 1 : 0), .float(scale),
      ])
    let plan = DispatchPlan(
      sorting: chosen, rowCount: rows, countPerRow: k, expertCount: experts, partial: partial, on: gpu)
    return (
      weights,
      Saved(
        selection: ExpertSelection(plan, scores_NE: scores), sums: [], scoring: scoring,
        normalizes: normalizes, scale: scale)
    )
  }

  /// A warp works on a row.
  static let (rowsPerBlock, threadsPerBlock) = (8, 256)

  static func scores(_ logits: Tensor, _ scoring: RouterScoring) -> Tensor {
    var scores = Tensor(uninitialized: logits.shape)
    switch scoring {
    case .sigmoid: kernels.sigmoid(logits, into: &scores)
    case .softmax: kernels.softmax(logits, into: &scores)
    }
    return scores
  }

  static func forward(
    _ selection: ExpertSelection, scoring: RouterScoring, normalizes: Bool, scale: Float
  ) -> (weights_NK: Tensor, saved: Saved) {
    let (k, experts) = (selection.countPerRow, selection.expertCount)
    var weights = Tensor(uninitialized: [selection.rowCount, k])
    var sums = [Float](repeating: 1, count: selection.rowCount)
    let chosen = selection.experts
    selection.scores_NE.withElements { scores in
      weights.withMutableElements { w in
        for row in 0..<selection.rowCount {
          var sum: Float = 1e-20
          for slot in row * k..<(row + 1) * k {
            w[slot] = scores[row * experts + Int(chosen[slot])]
            sum += w[slot]
          }
          if normalizes { sums[row] = sum }
          for slot in row * k..<(row + 1) * k { w[slot] *= scale / sums[row] }
        }
      }
    }
    return (
      weights,
      Saved(
        selection: selection, sums: sums, scoring: scoring, normalizes: normalizes, scale: scale)
    )
  }

  /// With `dw` the gradient of the weights: `ds_i = λ/S (dw_i - Σ_j dw_j s_j / S)` when normalized, else
  /// `λ dw_i`; then through the scoring function.
  static func backward(_ gradient_NK: Tensor, _ saved: Saved) -> Tensor {
    let selection = saved.selection
    let (k, experts) = (selection.countPerRow, selection.expertCount)
    if let plan = selection.plan, let gpu = gradient_NK.gpu {
      var result = Tensor(uninitialized: selection.scores_NE.shape, on: gpu)
      gpu.launch(
        Kernel("routing", "route_backward"),
        blocks: (plan.rowCount + rowsPerBlock - 1) / rowsPerBlock, threads: threadsPerBlock,
        [
          gradient_NK.argument, selection.scores_NE.argument, plan.chosen.argument, .output(&result),
          .int(plan.rowCount), .int(experts), .int(k), saved.scoring.argument,
          .int(saved.normalizes ? 1 : 0), .float(saved.scale),
        ])
      return result
    }
    var scoreGradient = Tensor(zeros: selection.scores_NE.shape)
    let (s, dw, chosen) = (selection.scores_NE.scalars, gradient_NK.scalars, selection.experts)
    scoreGradient.withMutableElements { ds in
      for row in 0..<selection.rowCount {
        let sum = saved.sums[row]
        let slots = row * k..<(row + 1) * k
        var mean: Float = 0
        if saved.normalizes {
          for slot in slots { mean += dw[slot] * s[row * experts + Int(chosen[slot])] / sum }
        }
        for slot in slots { ds[row * experts + Int(chosen[slot])] = saved.scale / sum * (dw[slot] - mean) }
      }
    }
    return logitGradient(scoreGradient, scores: selection.scores_NE, saved.scoring)
  }

  /// From the gradient of the scores to that of the logits.
  static func logitGradient(_ gradient: Tensor, scores: Tensor, _ scoring: RouterScoring) -> Tensor {
    switch scoring {
    case .sigmoid: return gradient * (scores - scores * scores)
    case .softmax:
      var result = Tensor(uninitialized: gradient.shape)
      kernels.softmaxBackward(output: scores, gradient, into: &result)
      return result
    }
  }
}

extension Variable {
  /// Chooses k experts for every row of router logits, and weighs them.
  ///
  /// Scores s are the sigmoid or softmax of the logits. The k experts of largest `s + bias` are chosen; the
  /// biases steer the choice and nothing else, and have no gradient. A chosen expert weighs
  /// `scale · s / Σ s` (over the chosen), or `scale · s` without normalization.
  /// - Parameters:
  ///   - k: experts a row, at most as many as there are columns.
  ///   - scoring: what makes scores of logits.
  ///   - biases: one an expert, or nil.
  ///   - groups: of which experts are chosen; nil for one group of all.
  ///   - normalizes: whether the weights of a row sum to `scale`.
  ///   - scale: λ, `routed_scaling_factor`.
  /// - Returns: N×k weights, and who was chosen.
  /// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V3", arXiv:2412.19437.
  public func routed(
    topK k: Int, scoring: RouterScoring, biases: Tensor? = nil, groups: ExpertGroups? = nil,
    normalizes: Bool = true, scale: Float = 1
  ) -> (weights: Variable, selection: ExpertSelection) {
    let (groupCount, chosenGroups) = (groups?.count ?? 1, groups?.topK ?? 1)
    checkPrecondition(
      k > 0 && biases?.elementCount ?? shape.width == shape.width && groupCount > 0
        && shape.width % groupCount == 0 && (1...groupCount).contains(chosenGroups)
        && k <= shape.width / groupCount * chosenGroups,
      "routed: \(k) of the experts of \(shape) in \(chosenGroups) of \(groupCount) groups, "
        + "\(biases?.elementCount ?? 0) biases")
    let logits = value
    let (weights, saved): (Tensor, RoutingOperation.Saved)
    if let gpu = logits.gpu {
      checkPrecondition(
        shape.width <= 1024 && groups == nil,
        "routed: \(shape.width) experts in \(groupCount) groups; on a GPU at most 1024 in one")
      (weights, saved) = RoutingOperation.forward(
        logits, topK: k, biases: biases, scoring: scoring, normalizes: normalizes, scale: scale, on: gpu)
    } else {
      let scores = RoutingOperation.scores(logits, scoring)
      (weights, saved) = RoutingOperation.forward(
        ExpertSelection.top(k, scores_NE: scores, biases: biases, groups: groups), scoring: scoring,
        normalizes: normalizes, scale: scale)
    }
    let node = node
    let output = tape.record(weights, inputs: self) { gradient, slots in
      slots.accumulate(RoutingOperation.backward(gradient, saved), into: node)
    }
    return (output, saved.selection)
  }
}
