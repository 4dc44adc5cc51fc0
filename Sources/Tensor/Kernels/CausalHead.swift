internal import CNanoKernels

/// Causal self-attention of one head over one sequence.
///
/// Query and key rows are `keyWidth` numbers of the type that the precision's products read, value and output rows
/// `valueWidth`; from one row to the next lies a stride. Gradients lie as what they are gradients of.
package struct CausalHead {
  /// A count of numbers for each operand.
  package struct Distances {
    package var query, key, value, output: Int

    package init(query: Int, key: Int, value: Int, output: Int) {
      self.query = query
      self.key = key
      self.value = value
      self.output = output
    }
  }

  /// Numbers from one row of probabilities to the next, those behind the diagonal zero.
  package let probabilityStride: Int
  private var geometry: nk_attention

  /// - Parameter strides: from one row to the next.
  package init(
    length: Int, keyWidth: Int, valueWidth: Int, strides: Distances, scale: Float, precision: Precision,
    dtype: DType? = nil
  ) {
    probabilityStride = nk_attention_row_stride(length)
    geometry = nk_attention(
      length: length, width: keyWidth, value_width: valueWidth, query_stride: strides.query,
      key_stride: strides.key, value_stride: strides.value, output_stride: strides.output, scale: scale,
      gemm: kernels.gemm(in: precision), rounding: precision.operandType.kernelValue,
      format: (dtype ?? precision.operandType).kernelValue)
  }

  /// Elements of all probabilities.
  package var probabilityCount: Int { geometry.length * probabilityStride }

  /// `P = softmax(scale · Q Kᵀ + mask)`, in 32 bits a number.
  /// - Parameter offsets: how far behind the first numbers of the operands those of this head and sequence begin.
  /// - Returns: the largest logit that is not masked.
  package func probabilities(
    query: Numbers, key: Numbers, at offsets: Distances, into result: MutableNumbers
  ) -> Float {
    let p = result.host.assumingMemoryBound(to: Float.self)
    return withUnsafePointer(to: geometry) {
      kernels.table.pointee.attention_probabilities($0, query.host(offsets.query), key.host(offsets.key), p)
    }
  }

  /// `O = P V`
  package func mix(
    _ probabilities: Numbers, value: Numbers, at offsets: Distances, into output: MutableNumbers
  ) {
    withUnsafePointer(to: geometry) {
      kernels.table.pointee.attention_mix(
        $0, probabilities.floats, value.host(offsets.value), output.numbers.host(offsets.output))
    }
  }

  /// `dV = P'ᵀ dO`, `dP = dO Vᵀ`, `dS = P' · dP - P · rowsum(dP · P')`, `dQ = scale dS K`, `dK = scale dSᵀ Q`.
  /// - Parameters:
  ///   - probabilities: P.
  ///   - dropped: P', if it is the product of P with a mask.
  package func backward(
    _ gradient: Numbers, query: Numbers, key: Numbers, value: Numbers, at offsets: Distances, probabilities: Numbers,
    dropped: Numbers? = nil,
    into gradients: (query: MutableNumbers, key: MutableNumbers, value: MutableNumbers)
  ) {
    let p = probabilities.floats
    withUnsafePointer(to: geometry) {
      kernels.table.pointee.attention_backward(
        $0, query.host(offsets.query), key.host(offsets.key), value.host(offsets.value), p, dropped?.floats ?? p,
        gradient.host(offsets.output), gradients.query.numbers.host(offsets.query),
        gradients.key.numbers.host(offsets.key), gradients.value.numbers.host(offsets.value))
    }
  }
}
