internal import Foundation
internal import NanoPreconditions
internal import NanoTensor

// B sequences of T rows, E experts, k chosen ones a row.

extension Variable {
  /// The sequence-wise balance loss of router logits,
  /// `mean over sequences of Σ_e f_e P_e`, with `f_e = E/(kT) · |rows that chose e|` and `P_e` the mean of
  /// e's share `s_e / Σ s` of the scores. It is 1 for uniform scores; only P has a gradient.
  /// - Parameters:
  ///   - selection: what the same logits chose.
  ///   - scoring: what made scores of the logits.
  ///   - sequenceLength: rows of one sequence.
  /// - SeeAlso: DeepSeek-AI, 2024, "DeepSeek-V3", arXiv:2412.19437, equations 17 to 20.
  public func sequenceBalanceLoss(
    _ selection: ExpertSelection, scoring: RouterScoring, sequenceLength: Int
  ) -> Variable {
    let (rows, experts) = (shape.rowCount, shape.width)
    checkPrecondition(
      selection.rowCount == rows && rows % sequenceLength == 0,
      "sequenceBalanceLoss: \(shape), \(selection.rowCount) rows chosen, sequences of "
        + "\(sequenceLength)")
    let scores = selection.scores_NE
    let frequencies = Self.frequencies(selection, sequenceLength: sequenceLength)
    // The loss is linear in the shares p: Σ over rows and experts of f_e p_e / (B T).
    var loss = 0.0
    var scoreGradient = Tensor(uninitialized: shape)
    let ds = scoreGradient.mutableElements
    for row in 0..<rows {
      let (s, d) = (scores.elements + row * experts, ds + row * experts)
      let f = frequencies[row / sequenceLength]
      var (sum, weighted): (Float, Float) = (1e-20, 0)
      for expert in 0..<experts {
        sum += s[expert]
        weighted += f[expert] * s[expert]
      }
      loss += Double(weighted / sum)
      for expert in 0..<experts { d[expert] = (f[expert] - weighted / sum) / sum / Float(rows) }
    }
    let node = node
    return tape.record(Tensor([Float(loss / Double(rows))], shape: []), inputs: self) {
      gradient, slots in
      slots.accumulate(
        RoutingOperation.logitGradient(scoreGradient, scores: scores, scoring) * gradient.scalar,
        into: node)
    }
  }

  /// f of every sequence.
  private static func frequencies(
    _ selection: ExpertSelection, sequenceLength: Int
  ) -> [[Float]] {
    let k = selection.countPerRow
    let unit = Float(selection.expertCount) / Float(k * sequenceLength)
    return stride(from: 0, to: selection.experts.count, by: k * sequenceLength).map { start in
      selection.experts[start..<start + k * sequenceLength].reduce(
        into: Array(repeating: 0, count: selection.expertCount)
      ) { $0[Int($1)] += unit }
    }
  }

  /// The router z-loss, `mean_n logsumexp(z_n)²`, which keeps logits small.
  /// - SeeAlso: Zoph et al., 2022, "ST-MoE", arXiv:2202.08906.
  public func routerZLoss() -> Variable {
    let (rows, experts) = (shape.rowCount, shape.width)
    let logits = value
    let probabilities = RoutingOperation.scores(logits, .softmax)
    var sums = [Float](repeating: 0, count: rows)
    for row in 0..<rows {
      let z = UnsafeBufferPointer(start: logits.elements + row * experts, count: experts)
      let highest = z.max() ?? 0
      sums[row] = highest + log(z.reduce(0) { $0 + exp($1 - highest) })
    }
    let loss = sums.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(rows)
    let node = node
    return tape.record(Tensor([Float(loss)], shape: []), inputs: self) { gradient, slots in
      var result = probabilities
      let dz = result.mutableElements
      for row in 0..<rows {
        let factor = 2 * sums[row] / Float(rows) * gradient.scalar
        for expert in 0..<experts { dz[row * experts + expert] *= factor }
      }
      slots.accumulate(result, into: node)
    }
  }
}
