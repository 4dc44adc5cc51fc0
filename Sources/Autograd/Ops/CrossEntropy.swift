internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, V classes, C rows that count.

/// `loss = mean (logsumexp(x_n) - x_n[target_n])` over the rows that count; `dx = (softmax(x) - onehot) / C`.
enum CrossEntropyOperation {
  struct Saved {
    /// `softmax - onehot`; zero in rows that do not count.
    let difference_NV: Tensor
    let counted: Int
  }

  /// On a GPU the rows that count are counted there, so that a recorded step fits any targets.
  static func forward(
    on gpu: CUDADevice, logits_NV: Tensor, targets: [Int32], wantsGradient: Bool
  ) -> (loss: Tensor, gradient: Tensor?) {
    let (rows, classes) = (logits_NV.shape.rowCount, logits_NV.shape.width)
    var loss = DeviceLoss(targets: targets, on: gpu)
    guard wantsGradient else {
      loss.addRows(0..<rows, logits: logits_NV.numbers, classes: classes, stride: classes, gradient: nil)
      return (loss.mean(), nil)
    }
    var gradient = Tensor(uninitialized: logits_NV.shape, on: gpu)
    gradient.withMutableNumbers {
      loss.addRows(0..<rows, logits: logits_NV.numbers, classes: classes, stride: classes, gradient: $0)
    }
    return (loss.mean(), gradient)
  }

  static func forward(
    logits_NV: Tensor, targets: [Int32], counted: Int
  ) -> (loss: Tensor, saved: Saved) {
    var difference = Tensor(uninitialized: logits_NV.shape)
    let total = kernels.crossEntropy(logits_NV, targets[...], gradient: &difference)
    return (
      Tensor([Float(total / Double(counted))], shape: []),
      Saved(difference_NV: difference, counted: counted)
    )
  }

  /// The loss alone.
  static func loss(logits_NV: Tensor, targets: [Int32], counted: Int) -> Tensor {
    let total = kernels.crossEntropy(logits_NV, targets[...])
    return Tensor([Float(total / Double(counted))], shape: [])
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    saved.difference_NV * (gradient.scalar / Float(saved.counted))
  }
}

extension Variable {
  /// The mean negative log likelihood, in nats, of `targets` under the softmax of each row of logits.
  /// - Parameter targets: one class a row; a negative one leaves its row out of the mean.
  /// - Returns: a scalar; rows are summed in Double.
  public func crossEntropy(targets: [Int32]) -> Variable {
    let counted = targets.count { $0 >= 0 }
    checkPrecondition(
      targets.count == shape.rowCount && counted > 0,
      "crossEntropy: logits \(shape), \(targets.count) targets, \(counted) of them classes")
    checkPrecondition(
      targets.allSatisfy { $0 < shape.width }, "crossEntropy: a target outside \(shape)")
    guard tape.isRecording, !node.isConstant else {
      if let gpu = content.gpu {
        return tape.constant(
          CrossEntropyOperation.forward(on: gpu, logits_NV: value, targets: targets, wantsGradient: false).loss)
      }
      return tape.constant(
        CrossEntropyOperation.loss(logits_NV: value, targets: targets, counted: counted))
    }
    if let gpu = content.gpu {
      let node = node
      let (loss, logitGradient) = CrossEntropyOperation.forward(
        on: gpu, logits_NV: value, targets: targets, wantsGradient: true)
      return tape.record(loss, inputs: self) { gradient, slots in
        slots.accumulate(logitGradient!.scaled(by: gradient), into: node)
      }
    }
    let (loss, saved) = CrossEntropyOperation.forward(
      logits_NV: value, targets: targets, counted: counted)
    let node = node
    return tape.record(loss, inputs: self) { gradient, slots in
      slots.accumulate(CrossEntropyOperation.backward(gradient, saved), into: node)
    }
  }
}
