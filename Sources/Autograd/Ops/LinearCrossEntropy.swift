internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, D width, V classes.

/// `loss = mean_n (logsumexp(W x_n) - (W x_n)[target_n])` without ever holding all N×V logits.
///
/// The gradient of a mean needs nothing from behind it but one factor, so it is formed at once: a block of
/// rows at a time goes through logits, softmax and both gradient products while it is in the cache. The gradient of the
/// logits has the precision's own format.
enum LinearCrossEntropyOperation {
  struct Saved {
    let input_ND: Activation
    let weight_VD: Weight
  }

  /// About a million logits at a time, but enough rows that reading and packing the weight takes little beside the
  /// arithmetic.
  private static func blockRows(classes: Int) -> Int { max(256, (1 << 20) / classes) }

  /// Rows of a block on a GPU: all blocks as equal as tiles of 128 rows allow, of up to a quarter of the rows or 134
  /// million logits. The logits of all rows would be the largest tensor of a step, but each block more reads and writes
  /// the weight's gradient once more.
  private static func blockRowsOnGPU(_ rows: Int, stride: Int) -> Int {
    let most = max(rows / 4, (1 << 27) / stride, 1)
    let count = (rows + most - 1) / most
    return min(rows, ((rows + count - 1) / count + 127) / 128 * 128)
  }

  /// The mean loss on a GPU, and its gradients if they are wanted. Rows of logits begin at multiples of 16 bytes.
  ///
  /// The gradient of the logits takes their place. So in half precision the logits too have 16 bits where a gradient is
  /// wanted, as every other result that products read.
  static func forward(
    on gpu: CUDADevice, _ operands: Saved, targets: [Int32], blockRows: Int? = nil, precision: Precision,
    wantsGradients: Bool
  ) -> (loss: Tensor, gradients: (input: Tensor, weight: Tensor)?) {
    let (input_ND, weight_VD) = (operands.input_ND, operands.weight_VD)
    let (rows, width, classes) = (input_ND.shape.rowCount, input_ND.shape.width, weight_VD.shape.rowCount)
    let head = weight_VD.padded(in: precision) ?? weight_VD.matrix
    let stride = (max(classes, head.rows) + 7) / 8 * 8
    let blockRows = blockRows ?? blockRowsOnGPU(rows, stride: stride)
    var logits = Activation(
      uninitialized: [blockRows, stride], format: wantsGradients ? precision.activationFormat : nil, on: gpu)
    var gradients =
      wantsGradients
      ? (input: Tensor(uninitialized: input_ND.shape, on: gpu), weight: Tensor(uninitialized: weight_VD.shape, on: gpu))
      : nil
    var loss = DeviceLoss(targets: targets, on: gpu)
    for start in Swift.stride(from: 0, to: rows, by: blockRows) {
      let count = min(blockRows, rows - start)
      let block = MatrixView(input_ND.numbers.advanced(by: start * width), rows: count, columns: width)
      logits.withMutableNumbers {
        gpu.matmul(block, head.transposed, into: $0, rowStride: stride, precision: precision)
        loss.addRows(
          start..<start + count, logits: $0.numbers, classes: classes, stride: stride,
          gradient: wantsGradients ? $0 : nil)
      }
      guard wantsGradients else { continue }
      // Behind the classes the gradient is zero.
      let difference = MatrixView(logits.numbers, rows: count, columns: head.rows, rowStride: stride)
      gradients?.input.withMutableNumbers {
        gpu.matmul(difference, head, into: $0.advanced(by: start * width), precision: precision)
      }
      gradients?.weight.withMutableNumbers {
        gpu.matmul(
          MatrixView(logits.numbers, rows: count, columns: classes, rowStride: stride).transposed, block, into: $0,
          adding: start == 0 ? nil : .result(times: 1), precision: precision)
      }
    }
    return (loss.mean(), gradients)
  }

  /// The summed loss, and the gradients of the sum if they are wanted.
  static func forward(
    _ operands: Saved, targets: [Int32], precision: Precision, wantsGradients: Bool
  ) -> (total: Double, input: Tensor, weight: Tensor) {
    let (input_ND, weight_VD) = (operands.input_ND, operands.weight_VD.matrix)
    let (rows, width, classes) = (input_ND.shape.rowCount, input_ND.shape.width, weight_VD.rows)
    let blockRows = min(rows, blockRows(classes: classes))
    var logits = Tensor(uninitialized: [blockRows, classes])
    // In float32 the gradient takes the place of the logits.
    var rounded = precision.activationFormat.map {
      HalfTensor(uninitialized: [blockRows, classes], format: $0)
    }
    var inputGradient = Tensor(uninitialized: wantsGradients ? input_ND.shape : [0])
    var weightGradient = Tensor(uninitialized: wantsGradients ? operands.weight_VD.shape : [0])
    var total = 0.0
    for start in stride(from: 0, to: rows, by: blockRows) {
      let block = start..<min(start + blockRows, rows)
      let input = input_ND.matrix(rows: block)
      matmul(input, weight_VD.transposed, into: &logits, precision: precision)
      guard wantsGradients else {
        total += kernels.crossEntropy(logits, targets[block])
        continue
      }
      let difference: MatrixView
      if var own = rounded.take() {
        total += kernels.crossEntropy(logits, targets[block], gradient: &own)
        difference = own.matrix(rows: 0..<block.count)
        rounded = own
      } else {
        total += kernels.crossEntropy(replacing: &logits, targets[block])
        difference = logits.matrix(rows: 0..<block.count)
      }
      matmul(difference, weight_VD, into: &inputGradient, from: start * width, precision: precision)
      matmul(
        difference.transposed, input, into: &weightGradient, adding: start == 0 ? nil : .result(times: 1),
        precision: precision)
    }
    return (total, inputGradient, weightGradient)
  }
}

extension Variable {
  /// The mean negative log likelihood, in nats, of `targets` under the softmax of the logits `x Wᵀ`.
  ///
  /// Equal to `linear(weight:).crossEntropy(targets:)`, in a fraction of the memory: N·V logits are never
  /// held at once.
  /// - Parameters:
  ///   - weight: V×D.
  ///   - targets: one class a row; a negative one leaves its row out of the mean.
  /// - Returns: a scalar; rows are summed in Double.
  /// - Complexity: O(N·V·D) time; keeps one gradient of the input and one of the weight.
  public func linearCrossEntropy(weight: Variable, targets: [Int32]) -> Variable {
    let counted = targets.count { $0 >= 0 }
    checkPrecondition(
      shape.width == weight.shape.width && targets.count == shape.rowCount && counted > 0,
      "linearCrossEntropy: input \(shape), weight \(weight.shape), \(targets.count) targets")
    checkPrecondition(
      targets.allSatisfy { $0 < weight.shape.rowCount },
      "linearCrossEntropy: a target outside \(weight.shape)")
    let wantsGradients = tape.isRecording && !(node.isConstant && weight.node.isConstant)
    if let gpu = content.gpu {
      let result = LinearCrossEntropyOperation.forward(
        on: gpu, .init(input_ND: tape.operand(self), weight_VD: weight.weight), targets: targets,
        precision: tape.precision, wantsGradients: wantsGradients)
      let (inputNode, weightNode) = (node, weight.node)
      var held = result.gradients
      return tape.record(result.loss, inputs: self, weight) { gradient, slots in
        guard var (input, weight) = held else { return }
        held = nil  // so that both have one owner and are scaled in place
        input.scale(by: gradient)
        weight.scale(by: gradient)
        slots.accumulate(input, into: inputNode)
        slots.accumulate(weight, into: weightNode)
      }
    }
    let result = LinearCrossEntropyOperation.forward(
      .init(input_ND: tape.operand(self), weight_VD: weight.weight), targets: targets, precision: tape.precision,
      wantsGradients: wantsGradients)
    let (inputNode, weightNode) = (node, weight.node)
    let loss = Tensor([Float(result.total / Double(counted))], shape: [])
    var held: (input: Tensor, weight: Tensor)? = (result.input, result.weight)
    return tape.record(loss, inputs: self, weight) { gradient, slots in
      guard var (input, weight) = held else { return }
      held = nil  // so that both have one owner and are scaled in place
      let factor = gradient.scalar / Float(counted)
      input *= factor
      weight *= factor
      slots.accumulate(input, into: inputNode)
      slots.accumulate(weight, into: weightNode)
    }
  }
}
