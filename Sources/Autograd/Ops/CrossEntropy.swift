internal import CNanoKernels
internal import NanoTensor

// N rows, V classes.

/// `loss = mean_n (logsumexp(x_n) - x_n[target_n])`; `dx = (softmax(x) - onehot) / N`.
enum CrossEntropyOperation {
  struct Saved {
    /// `softmax - onehot`
    let difference_NV: Tensor
  }

  static func forward(logits_NV: Tensor, targets: [Int32]) -> (loss: Tensor, saved: Saved) {
    var difference = Tensor(uninitialized: logits_NV.shape)
    let total = kernels.cross_entropy(
      logits_NV.elements, targets, difference.mutableElements, targets.count, logits_NV.shape.width)
    return (
      Tensor([Float(total / Double(targets.count))], shape: []), Saved(difference_NV: difference)
    )
  }

  /// The loss alone.
  static func loss(logits_NV: Tensor, targets: [Int32]) -> Tensor {
    let total = kernels.cross_entropy(
      logits_NV.elements, targets, nil, targets.count, logits_NV.shape.width)
    return Tensor([Float(total / Double(targets.count))], shape: [])
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    saved.difference_NV * (gradient.scalar / Float(saved.difference_NV.shape.rowCount))
  }
}

extension Variable {
  /// The mean negative log likelihood, in nats, of `targets` under the softmax of each row of logits.
  /// - Precondition: one target a row, each a column.
  /// - Returns: a scalar; rows are summed in Double.
  public func crossEntropy(targets: [Int32]) -> Variable {
    precondition(
      targets.count == shape.rowCount && !targets.isEmpty,
      "crossEntropy: logits \(shape), \(targets.count) targets")
    precondition(
      targets.allSatisfy { $0 >= 0 && $0 < shape.width }, "crossEntropy: a target outside \(shape)")
    guard tape.isRecording, !node.isConstant else {
      return tape.constant(CrossEntropyOperation.loss(logits_NV: value, targets: targets))
    }
    let (loss, saved) = CrossEntropyOperation.forward(logits_NV: value, targets: targets)
    let node = node
    return tape.record(loss, inputs: self) { gradient, slots in
      slots.accumulate(CrossEntropyOperation.backward(gradient, saved), into: node)
    }
  }
}
