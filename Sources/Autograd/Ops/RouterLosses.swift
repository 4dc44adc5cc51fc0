internal import Foundation
internal import NanoCUDA
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
    if let plan = selection.plan, let gpu = scores.gpu {
      return sequenceBalanceLoss(
        plan, scores: scores, scoring: scoring, sequenceLength: sequenceLength, on: gpu)
    }
    let frequencies = Self.frequencies(selection, sequenceLength: sequenceLength)
    // The loss is linear in the shares p: Σ over rows and experts of f_e p_e / (B T).
    var loss = 0.0
    var scoreGradient = Tensor(uninitialized: shape)
    scores.withElements { s in
      scoreGradient.withMutableElements { ds in
        for row in 0..<rows {
          let (f, first) = (frequencies[row / sequenceLength], row * experts)
          var (sum, weighted): (Float, Float) = (1e-20, 0)
          for expert in 0..<experts {
            sum += s[first + expert]
            weighted += f[expert] * s[first + expert]
          }
          loss += Double(weighted / sum)
          for expert in 0..<experts { ds[first + expert] = (f[expert] - weighted / sum) / sum / Float(rows) }
        }
      }
    }
    let node = node
    return tape.record(Tensor([Float(loss / Double(rows))], shape: []), inputs: self) {
      gradient, slots in
      slots.accumulate(
        RoutingOperation.logitGradient(scoreGradient, scores: scores, scoring) * gradient.scalar,
        into: node)
    }
  }

  private func sequenceBalanceLoss(
    _ plan: DispatchPlan, scores: Tensor, scoring: RouterScoring, sequenceLength: Int,
    on gpu: CUDADevice
  ) -> Variable {
    let (rows, experts) = (plan.rowCount, plan.expertCount)
    let sequences = rows / sequenceLength
    var frequencies = Tensor(uninitialized: [sequences, experts], on: gpu)
    var partial = Tensor(uninitialized: [sequences], on: gpu)
    gpu.launch(
      Kernel("routing", "sequence_balance"), blocks: sequences, threads: 1024,
      [
        scores.argument, plan.chosen.argument, .output(&frequencies), .output(&partial),
        .int(sequenceLength), .int(experts), .int(plan.countPerRow),
      ])
    let node = node
    return tape.record(Self.mean(ofPartialSums: partial, rows: rows, on: gpu), inputs: self) {
      [frequencies] gradient, slots in
      var result = Tensor(uninitialized: scores.shape, on: gpu)
      gpu.launchRows(
        "sequence_balance_backward", rows: rows,
        [
          gradient.argument, scores.argument, frequencies.argument, .output(&result), .int(rows),
          .int(sequenceLength), .int(experts), scoring.argument,
        ])
      slots.accumulate(result, into: node)
    }
  }

  private static func mean(ofPartialSums partial: Tensor, rows: Int, on gpu: CUDADevice) -> Tensor {
    var result = Tensor(uninitialized: [], on: gpu)
    gpu.launch(
      Kernel("routing", "mean_of_partial_sums"), blocks: 1, threads: 256,
      [partial.argument, .output(&result), .int(partial.elementCount), .int(rows)])
    return result
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
    if let gpu = logits.gpu { return routerZLoss(logits, on: gpu) }
    let probabilities = RoutingOperation.scores(logits, .softmax)
    let scalars = logits.scalars
    let sums = (0..<rows).map { row in
      let z = scalars[row * experts..<(row + 1) * experts]
      let highest = z.max() ?? 0
      return highest + log(z.reduce(0) { $0 + exp($1 - highest) })
    }
    let loss = sums.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(rows)
    let node = node
    return tape.record(Tensor([Float(loss)], shape: []), inputs: self) { gradient, slots in
      var result = probabilities
      let seed = gradient.scalar
      result.withMutableElements { dz in
        for row in 0..<rows {
          let factor = 2 * sums[row] / Float(rows) * seed
          for expert in 0..<experts { dz[row * experts + expert] *= factor }
        }
      }
      slots.accumulate(result, into: node)
    }
  }

  private func routerZLoss(_ logits: Tensor, on gpu: CUDADevice) -> Variable {
    let (rows, experts) = (shape.rowCount, shape.width)
    var sums = Tensor(uninitialized: [rows], on: gpu)
    var partial = Tensor(uninitialized: [CUDADevice.blocks(ofRows: rows)], on: gpu)
    gpu.launchRows(
      "router_z_loss", rows: rows,
      [logits.argument, .output(&sums), .output(&partial), .int(rows), .int(experts)])
    let node = node
    return tape.record(Self.mean(ofPartialSums: partial, rows: rows, on: gpu), inputs: self) {
      [sums] gradient, slots in
      var result = Tensor(uninitialized: logits.shape, on: gpu)
      gpu.launchRows(
        "router_z_loss_backward", rows: rows,
        [gradient.argument, logits.argument, sums.argument, .output(&result), .int(rows), .int(experts)])
      slots.accumulate(result, into: node)
    }
  }
}

extension CUDADevice {
  /// Launches a kernel of routing.cu in which a warp works on a row.
  fileprivate func launchRows(_ name: String, rows: Int, _ arguments: [KernelArgument]) {
    launch(
      Kernel("routing", name), blocks: Self.blocks(ofRows: rows),
      threads: RoutingOperation.threadsPerBlock, arguments)
  }

  fileprivate static func blocks(ofRows rows: Int) -> Int {
    (rows + RoutingOperation.rowsPerBlock - 1) / RoutingOperation.rowsPerBlock
  }
}
