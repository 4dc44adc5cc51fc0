internal import CNanoKernels
internal import Foundation
internal import NanoPreconditions
internal import NanoTensor

// N rows, E experts, k chosen ones a row.

/// How a router's logits become affinities of a token to the experts.
public enum RouterScoring: String, Hashable, Sendable, Codable {
  /// Each by itself: `σ(z)` (DeepSeek-V3, Kimi K2).
  case sigmoid
  /// Together: `softmax(z)` (Switch, Mixtral).
  case softmax
}

/// Which experts each row goes to.
public struct ExpertSelection: Sendable {
  /// N×k, each row's experts from the highest score down.
  public let experts: [Int32]
  public let countPerRow: Int
  public let expertCount: Int
  /// Affinities of all experts, N×E.
  let scores_NE: Tensor

  public var rowCount: Int { experts.count / countPerRow }

  /// How many rows each expert was chosen for.
  public var loads: [Int] {
    experts.reduce(into: Array(repeating: 0, count: expertCount)) { $0[Int($1)] += 1 }
  }

  /// Of every row, the entropy in nats of its scores, normalized to sum to 1.
  public var scoreEntropies: [Double] {
    (0..<rowCount).map { row in
      let scores = UnsafeBufferPointer(
        start: scores_NE.elements + row * expertCount, count: expertCount)
      let sum = scores.reduce(0, +)
      return scores.reduce(0.0) { entropy, score in
        let share = Double(score / sum)
        return share > 0 ? entropy - share * log(share) : entropy
      }
    }
  }

  /// Takes the `count` experts of the largest score + bias of every row; the lower index wins a tie.
  static func top(_ count: Int, scores_NE: Tensor, biases: [Float]?) -> ExpertSelection {
    let (rows, experts) = (scores_NE.shape.rowCount, scores_NE.shape.width)
    var chosen = [Int32](repeating: 0, count: rows * count)
    var ranked = [Float](repeating: 0, count: experts)
    for row in 0..<rows {
      for expert in 0..<experts {
        ranked[expert] = scores_NE.elements[row * experts + expert] + (biases?[expert] ?? 0)
      }
      for slot in 0..<count {
        var best = 0
        for expert in 1..<max(experts, 1) where ranked[expert] > ranked[best] { best = expert }
        chosen[row * count + slot] = Int32(best)
        ranked[best] = -.infinity
      }
    }
    return ExpertSelection(
      experts: chosen, countPerRow: count, expertCount: experts, scores_NE: scores_NE)
  }
}

/// The weights of the chosen experts: `w = λ s / Σ s` over the chosen, or `λ s`.
enum RoutingOperation {
  struct Saved {
    let selection: ExpertSelection
    /// Σ s + 1e-20 over the chosen of each row, or 1.
    let sums: [Float]
    let scoring: RouterScoring
    let normalizes: Bool
    let scale: Float
  }

  static func scores(_ logits: Tensor, _ scoring: RouterScoring) -> Tensor {
    var scores = Tensor(uninitialized: logits.shape)
    switch scoring {
    case .sigmoid: kernels.sigmoid(logits.elements, scores.mutableElements, logits.elementCount)
    case .softmax:
      kernels.softmax(
        logits.elements, scores.mutableElements, logits.shape.rowCount, logits.shape.width)
    }
    return scores
  }

  static func forward(
    _ selection: ExpertSelection, scoring: RouterScoring, normalizes: Bool, scale: Float
  ) -> (weights_NK: Tensor, saved: Saved) {
    let (k, experts) = (selection.countPerRow, selection.expertCount)
    var weights = Tensor(uninitialized: [selection.rowCount, k])
    let w = weights.mutableElements
    var sums = [Float](repeating: 1, count: selection.rowCount)
    for row in 0..<selection.rowCount {
      for slot in 0..<k {
        let expert = Int(selection.experts[row * k + slot])
        w[row * k + slot] = selection.scores_NE.elements[row * experts + expert]
      }
      if normalizes { sums[row] = (0..<k).reduce(1e-20) { $0 + w[row * k + $1] } }
      for slot in 0..<k { w[row * k + slot] *= scale / sums[row] }
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
    var scoreGradient = Tensor(zeros: selection.scores_NE.shape)
    let (ds, s, dw) = (
      scoreGradient.mutableElements, selection.scores_NE.elements, gradient_NK.elements
    )
    for row in 0..<selection.rowCount {
      let chosen = (0..<k).map { row * experts + Int(selection.experts[row * k + $0]) }
      let sum = saved.sums[row]
      var mean: Float = 0
      if saved.normalizes {
        for slot in 0..<k { mean += dw[row * k + slot] * s[chosen[slot]] / sum }
      }
      for slot in 0..<k { ds[chosen[slot]] = saved.scale / sum * (dw[row * k + slot] - mean) }
    }
    return logitGradient(scoreGradient, scores: selection.scores_NE, saved.scoring)
  }

  /// From the gradient of the scores to that of the logits.
  static func logitGradient(_ gradient: Tensor, scores: Tensor, _ scoring: RouterScoring) -> Tensor {
    switch scoring {
    case .sigmoid: return gradient * (scores - scores * scores)
    case .softmax:
      var result = Tensor(uninitialized: gradient.shape)
      kernels.softmax_backward(
        scores.elements, gradient.elements, result.mutableElements, gradient.shape.rowCount,
        gradient.shape.width)
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
  ///   - normalizes: whether the weights of a row sum to `scale`.
  ///   - scale: λ, `routed_scaling_factor`.
  /// - Returns: N×k weights, and who was chosen.
  /// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V3", arXiv:2412.19437.
  public func routed(
    topK k: Int, scoring: RouterScoring, biases: [Float]? = nil, normalizes: Bool = true,
    scale: Float = 1
  ) -> (weights: Variable, selection: ExpertSelection) {
    checkPrecondition(
      k > 0 && k <= shape.width && biases?.count ?? shape.width == shape.width,
      "routed: \(k) of the experts of \(shape), \(biases?.count ?? 0) biases")
    let scores = RoutingOperation.scores(value, scoring)
    let selection = ExpertSelection.top(k, scores_NE: scores, biases: biases)
    let (weights, saved) = RoutingOperation.forward(
      selection, scoring: scoring, normalizes: normalizes, scale: scale)
    let node = node
    let output = tape.record(weights, inputs: self) { gradient, slots in
      slots.accumulate(RoutingOperation.backward(gradient, saved), into: node)
    }
    return (output, selection)
  }
}
