internal import CNanoKernels
internal import NanoPreconditions

extension Kernels {
  /// One step of AdamW, the bias corrections of the step already in its constants.
  package func adamW(
    _ c: AdamWConstants, _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, mean: inout Tensor,
    square: inout Tensor
  ) {
    let count = mean.elementCount
    checkPrecondition(
      parameter.count == count && gradient.count == count && square.elementCount == count,
      "adamW: \(parameter.count) parameters, \(gradient.count) gradients, state of \(count)")
    var constants = nk_adamw(
      beta1: c.beta1, beta2: c.beta2, epsilon: c.epsilon, decay: c.decay, step_size: c.stepSize,
      inverse_root_correction: c.inverseRootCorrection, gradient_factor: c.gradientFactor)
    let (m, v) = (mean.mutableElements, square.mutableElements)
    parameter.withUnsafeMutableBufferPointer { parameter in
      gradient.withUnsafeBufferPointer {
        guard let p = parameter.baseAddress, let g = $0.baseAddress else { return }
        SharedWork.forEachPart(ofNumbers: count) { part in
          let start = part.lowerBound
          table.pointee.adamw(&constants, p + start, g + start, m + start, v + start, part.count)
        }
      }
    }
  }

  /// Copies what lies above the diagonal of a square matrix below it.
  package func mirrorUpper(_ matrix: inout Tensor) {
    checkPrecondition(matrix.shape.rowCount == matrix.shape.width, "mirrorUpper: \(matrix.shape)")
    table.pointee.mirror_upper(matrix.mutableElements, matrix.shape.width)
  }

  /// The transpose of a matrix.
  package func transposed(_ matrix: Tensor) -> Tensor {
    let (rows, columns) = (matrix.shape.rowCount, matrix.shape.width)
    var result = Tensor(uninitialized: [columns, rows])
    table.pointee.transpose(matrix.elements, rows, columns, result.mutableElements)
    return result
  }
}

/// Constants of one step of AdamW.
package struct AdamWConstants {
  var beta1, beta2, epsilon: Float
  /// 1 - rate · weight decay
  var decay: Float
  /// rate / (1 - β₁ᵗ)
  var stepSize: Float
  /// 1 / √(1 - β₂ᵗ)
  var inverseRootCorrection: Float
  /// Multiplies the gradient first: clipping, loss scale.
  var gradientFactor: Float

  package init(
    beta1: Float, beta2: Float, epsilon: Float, decay: Float, stepSize: Float, inverseRootCorrection: Float,
    gradientFactor: Float
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decay = decay
    self.stepSize = stepSize
    self.inverseRootCorrection = inverseRootCorrection
    self.gradientFactor = gradientFactor
  }
}
