internal import CNanoKernels

// Softmax, the loss behind it, and the two norms: all over the rows of a matrix.

extension Kernels {
  /// `y_j = exp(x_j) / Σ exp(x)`
  package func softmax(_ x: Tensor, into result: inout Tensor) {
    table.pointee.softmax(x.elements, result.mutableElements, x.shape.rowCount, x.shape.width)
  }

  /// `dx = y · (dy - <y, dy>)`
  package func softmaxBackward(output y: Tensor, _ gradient: Tensor, into result: inout Tensor) {
    table.pointee.softmax_backward(
      y.elements, gradient.elements, result.mutableElements, y.shape.rowCount, y.shape.width)
  }

  // MARK: Cross-entropy

  /// The summed negative log likelihood of a target a row; rows of negative targets count nothing.
  package func crossEntropy(_ logits: Tensor, _ targets: ArraySlice<Int32>) -> Double {
    targets.withUnsafeBufferPointer {
      table.pointee.cross_entropy(logits.elements, $0.baseAddress, nil, $0.count, logits.shape.width, NK_FP32)
    }
  }

  /// The same, and the gradient of the sum, `softmax(x) - onehot`.
  package func crossEntropy(
    _ logits: Tensor, _ targets: ArraySlice<Int32>, gradient: inout some TensorProtocol
  ) -> Double {
    targets.withUnsafeBufferPointer { targets in
      gradient.withMutableNumbers {
        table.pointee.cross_entropy(
          logits.elements, targets.baseAddress, $0.host, targets.count, logits.shape.width, $0.dtype.kernelValue)
      }
    }
  }

  /// The same in the logits' place.
  package func crossEntropy(replacing logits: inout Tensor, _ targets: ArraySlice<Int32>) -> Double {
    let x = logits.mutableElements
    return targets.withUnsafeBufferPointer {
      table.pointee.cross_entropy(x, $0.baseAddress, x, $0.count, logits.shape.width, NK_FP32)
    }
  }

  // MARK: Norms

  /// `g · (x - mean) / √(variance + ε) + b`; leaves mean and reciprocal standard deviation of every row.
  package func layerNorm(
    _ x: Tensor, gain: Tensor, bias: Tensor, epsilon: Float, into result: inout some TensorProtocol,
    statistics: inout Tensor
  ) {
    let s = statistics.mutableElements
    result.withMutableNumbers {
      table.pointee.layer_norm(
        x.elements, gain.elements, bias.elements, $0.host, s, x.shape.rowCount, x.shape.width, epsilon,
        $0.dtype.kernelValue)
    }
  }

  /// With h = (x - mean) / std and g = dy · gain: `dx = (g - mean(g) - h mean(g h)) / std`, and adds to those of gain and
  /// bias `Σ dy h` and `Σ dy`.
  package func layerNormBackward(
    _ x: some TensorProtocol, gain: Tensor, statistics: Tensor, _ gradient: some TensorProtocol,
    into result: inout Tensor, gainGradient: inout Tensor, biasGradient: inout Tensor
  ) {
    let (dy, rows, width) = (gradient.numbers, x.shape.rowCount, x.shape.width)
    let x = x.numbers
    table.pointee.layer_norm_backward(
      x.host, gain.elements, statistics.elements, dy.host, result.mutableElements, gainGradient.mutableElements,
      biasGradient.mutableElements, rows, width, x.dtype.kernelValue, dy.dtype.kernelValue)
  }

  /// `g · x / √(mean(x²) + ε)`; leaves 1/√(mean(x²) + ε) of every row.
  package func rmsNorm(
    _ x: Tensor, gain: Tensor, epsilon: Float, into result: inout some TensorProtocol, reciprocals: inout Tensor
  ) {
    let r = reciprocals.mutableElements
    result.withMutableNumbers {
      table.pointee.rms_norm(
        x.elements, gain.elements, $0.host, r, x.shape.rowCount, x.shape.width, epsilon, $0.dtype.kernelValue)
    }
  }

  /// With h = x / rms and g = dy · gain: `dx = (g - h mean(g h)) / rms`, and adds to that of the gain `Σ dy h`.
  package func rmsNormBackward(
    _ x: some TensorProtocol, gain: Tensor, reciprocals: Tensor, _ gradient: some TensorProtocol,
    into result: inout Tensor, gainGradient: inout Tensor
  ) {
    let (dy, rows, width) = (gradient.numbers, x.shape.rowCount, x.shape.width)
    let x = x.numbers
    table.pointee.rms_norm_backward(
      x.host, gain.elements, reciprocals.elements, dy.host, result.mutableElements, gainGradient.mutableElements,
      rows, width, x.dtype.kernelValue, dy.dtype.kernelValue)
  }
}
