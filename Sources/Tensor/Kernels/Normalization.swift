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
    crossEntropy(logits.elements, targets, width: logits.shape.width, gradient: nil)
  }

  /// The same, and the gradient of the sum, `softmax(x) - onehot`.
  package func crossEntropy(
    _ logits: Tensor, _ targets: ArraySlice<Int32>, gradient: inout some TensorProtocol
  ) -> Double {
    gradient.withMutableNumbers {
      crossEntropy(logits.elements, targets, width: logits.shape.width, gradient: $0.numbers)
    }
  }

  /// The same in the logits' place.
  package func crossEntropy(replacing logits: inout Tensor, _ targets: ArraySlice<Int32>) -> Double {
    let width = logits.shape.width
    return logits.withMutableNumbers { x in
      guard let elements = x.numbers.floats else { return 0 }
      return crossEntropy(elements, targets, width: width, gradient: x.numbers)
    }
  }

  private func crossEntropy(
    _ logits: UnsafePointer<Float>, _ targets: ArraySlice<Int32>, width: Int, gradient: Numbers?
  ) -> Double {
    targets.withUnsafeBufferPointer { targets in
      guard let first = targets.baseAddress else { return 0 }
      return SharedWork.sum(of: targets.count, size: SharedWork.rowsPerPart(of: targets.count, width: width)) { rows in
        let start = rows.lowerBound * width
        return table.pointee.cross_entropy(
          logits + start, first + rows.lowerBound, gradient?.host(start), rows.count, width,
          (gradient?.dtype ?? .float32).kernelValue)
      }
    }
  }

  // MARK: Norms

  /// `g · (x - mean) / √(variance + ε) + b`; leaves mean and reciprocal standard deviation of every row.
  package func layerNorm(
    _ x: Tensor, gain: Tensor, bias: Tensor, epsilon: Float, into result: inout some TensorProtocol,
    statistics: inout Tensor
  ) {
    let (s, width) = (statistics.mutableElements, x.shape.width)
    result.withMutableNumbers { y in
      SharedWork.forEachPart(ofRows: x.shape.rowCount, width: width) { rows in
        let start = rows.lowerBound * width
        table.pointee.layer_norm(
          x.elements + start, gain.elements, bias.elements, y.numbers.host(start), s + 2 * rows.lowerBound, rows.count,
          width, epsilon, y.dtype.kernelValue)
      }
    }
  }

  /// With h = (x - mean) / std and g = dy · gain: `dx = (g - mean(g) - h mean(g h)) / std`, and adds to those of gain and
  /// bias `Σ dy h` and `Σ dy`.
  package func layerNormBackward(
    _ x: some TensorProtocol, gain: Tensor, statistics: Tensor, _ gradient: some TensorProtocol,
    into result: inout Tensor, gainGradient: inout Tensor, biasGradient: inout Tensor
  ) {
    let (dy, rows, width) = (gradient.numbers, x.shape.rowCount, x.shape.width)
    let (x, dx) = (x.numbers, result.mutableElements)
    addUpOverParts(ofRows: rows, width: width, to: &gainGradient, &biasGradient) { rows, gainSums, biasSums in
      let start = rows.lowerBound * width
      table.pointee.layer_norm_backward(
        x.host(start), gain.elements, statistics.elements + 2 * rows.lowerBound, dy.host(start), dx + start, gainSums,
        biasSums, rows.count, width, x.dtype.kernelValue, dy.dtype.kernelValue)
    }
  }

  /// `g · x / √(mean(x²) + ε)`; leaves 1/√(mean(x²) + ε) of every row.
  package func rmsNorm(
    _ x: Tensor, gain: Tensor, epsilon: Float, into result: inout some TensorProtocol, reciprocals: inout Tensor
  ) {
    let (r, width) = (reciprocals.mutableElements, x.shape.width)
    result.withMutableNumbers { y in
      SharedWork.forEachPart(ofRows: x.shape.rowCount, width: width) { rows in
        let start = rows.lowerBound * width
        table.pointee.rms_norm(
          x.elements + start, gain.elements, y.numbers.host(start), r + rows.lowerBound, rows.count, width, epsilon,
          y.dtype.kernelValue)
      }
    }
  }

  /// With h = x / rms and g = dy · gain: `dx = (g - h mean(g h)) / rms`, and adds to that of the gain `Σ dy h`.
  package func rmsNormBackward(
    _ x: some TensorProtocol, gain: Tensor, reciprocals: Tensor, _ gradient: some TensorProtocol,
    into result: inout Tensor, gainGradient: inout Tensor
  ) {
    let (dy, rows, width) = (gradient.numbers, x.shape.rowCount, x.shape.width)
    let (x, dx) = (x.numbers, result.mutableElements)
    var none = Tensor(zeros: [0])
    addUpOverParts(ofRows: rows, width: width, to: &gainGradient, &none) { rows, gainSums, _ in
      let start = rows.lowerBound * width
      table.pointee.rms_norm_backward(
        x.host(start), gain.elements, reciprocals.elements + rows.lowerBound, dy.host(start), dx + start, gainSums,
        rows.count, width, x.dtype.kernelValue, dy.dtype.kernelValue)
    }
  }

  /// Runs `body` for all rows, with where to add its sums over them; where threads share the work, for parts of the rows,
  /// each with sums of its own, which are then added in order.
  private func addUpOverParts(
    ofRows count: Int, width: Int, to first: inout Tensor, _ second: inout Tensor,
    _ body: (_ rows: Range<Int>, _ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>) -> Void
  ) {
    let size = SharedWork.rowsPerPart(of: count, width: width)
    guard SharedWork.isShared, count > size else {
      return body(0..<count, first.mutableElements, second.mutableElements)
    }
    let parts = (count + size - 1) / size
    var sums = (Tensor(zeros: [parts, first.elementCount]), Tensor(zeros: [parts, second.elementCount]))
    let (firsts, seconds) = (sums.0.mutableElements, sums.1.mutableElements)
    SharedWork.forEachPart(of: count, size: size) { rows in
      let part = rows.lowerBound / size
      body(rows, firsts + part * first.elementCount, seconds + part * second.elementCount)
    }
    addRowSums(of: sums.0, groupsOf: parts, to: &first)
    addRowSums(of: sums.1, groupsOf: parts, to: &second)
  }
}
