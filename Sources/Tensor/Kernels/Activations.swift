internal import CNanoKernels

// Activation functions, forward and backward, on numbers of either format. Whatever is written has the format of what is
// read.

extension Kernels {
  /// `max(x, 0)`
  package func relu(_ x: some TensorProtocol, into result: inout some TensorProtocol) {
    let (x, count) = (x.numbers, x.shape.elementCount)
    result.withMutableNumbers { table.pointee.relu(x.host, $0.host, count, x.dtype.kernelValue) }
  }

  /// `x ← max(x, 0)`
  package func relu(_ x: inout some TensorProtocol) {
    let count = x.shape.elementCount
    x.withMutableNumbers { x in
      SharedWork.forEachPart(ofNumbers: count) { part in
        let start = x.numbers.host(part.lowerBound)
        table.pointee.relu(start, start, part.count, x.dtype.kernelValue)
      }
    }
  }

  /// `dx = dy` where y is positive, else 0.
  package func reluBackward(
    output y: some TensorProtocol, _ gradient: some TensorProtocol, into result: inout some TensorProtocol
  ) {
    let (y, dy, count) = (y.numbers, gradient.numbers, y.shape.elementCount)
    result.withMutableNumbers { table.pointee.relu_backward(y.host, dy.host, $0.host, count, y.dtype.kernelValue) }
  }

  /// The same in the gradient's place.
  package func reluBackward(output y: some TensorProtocol, _ gradient: inout some TensorProtocol) {
    let (y, count) = (y.numbers, y.shape.elementCount)
    gradient.withMutableNumbers { dy in
      SharedWork.forEachPart(ofNumbers: count) { part in
        let dy = dy.numbers.host(part.lowerBound)
        table.pointee.relu_backward(y.host(part.lowerBound), dy, dy, part.count, y.dtype.kernelValue)
      }
    }
  }

  /// `x Φ(x)`, or with the tanh form of Φ.
  package func gelu(_ x: some TensorProtocol, tanh: Bool, into result: inout some TensorProtocol) {
    let (x, count) = (x.numbers, x.shape.elementCount)
    let kernel = tanh ? table.pointee.gelu_tanh : table.pointee.gelu
    result.withMutableNumbers { y in
      SharedWork.forEachPart(ofNumbers: count) { part in
        kernel!(x.host(part.lowerBound), y.numbers.host(part.lowerBound), part.count, x.dtype.kernelValue)
      }
    }
  }

  /// `dx = dy (Φ(x) + x φ(x))`
  package func geluBackward(
    _ x: some TensorProtocol, _ gradient: some TensorProtocol, tanh: Bool, into result: inout some TensorProtocol
  ) {
    let (x, dy, count) = (x.numbers, gradient.numbers, x.shape.elementCount)
    let kernel = tanh ? table.pointee.gelu_tanh_backward : table.pointee.gelu_backward
    result.withMutableNumbers { kernel!(x.host, dy.host, $0.host, nil, count, x.dtype.kernelValue) }
  }

  /// The same in the gradient's place, and the activations again.
  package func geluBackward(
    _ x: some TensorProtocol, _ gradient: inout some TensorProtocol, tanh: Bool,
    activations: inout some TensorProtocol
  ) {
    let (x, count) = (x.numbers, x.shape.elementCount)
    let kernel = tanh ? table.pointee.gelu_tanh_backward : table.pointee.gelu_backward
    gradient.withMutableNumbers { dy in
      activations.withMutableNumbers { y in
        SharedWork.forEachPart(ofNumbers: count) { part in
          let start = part.lowerBound
          let dy = dy.numbers.host(start)
          kernel!(x.host(start), dy, dy, y.numbers.host(start), part.count, x.dtype.kernelValue)
        }
      }
    }
  }

  /// `x σ(x)`
  package func silu(_ x: Tensor, into result: inout Tensor) {
    table.pointee.silu(x.elements, result.mutableElements, x.elementCount)
  }

  /// `dx = dy σ(x) (1 + x (1 - σ(x)))`
  package func siluBackward(_ x: Tensor, _ gradient: Tensor, into result: inout Tensor) {
    table.pointee.silu_backward(x.elements, gradient.elements, result.mutableElements, x.elementCount)
  }

  /// `σ(x)`
  package func sigmoid(_ x: Tensor, into result: inout Tensor) {
    table.pointee.sigmoid(x.elements, result.mutableElements, x.elementCount)
  }

  /// `c tanh(x / c)`
  package func softCap(_ x: Tensor, at cap: Float, into result: inout Tensor) {
    table.pointee.soft_cap(x.elements, cap, result.mutableElements, x.elementCount)
  }

  /// `dx = dy (1 - (y / c)²)`
  package func softCapBackward(output y: Tensor, _ gradient: Tensor, at cap: Float, into result: inout Tensor) {
    table.pointee.soft_cap_backward(y.elements, gradient.elements, cap, result.mutableElements, y.elementCount)
  }

  // MARK: SwiGLU

  /// `silu(u) · v` for rows `[u | v]`.
  package func swiGLU(_ x: some TensorProtocol, into result: inout some TensorProtocol) {
    let (x, rows, width) = (x.numbers, x.shape.rowCount, x.shape.width / 2)
    result.withMutableNumbers { y in
      SharedWork.forEachPart(ofRows: rows, width: 2 * width) { part in
        table.pointee.swiglu(
          x.host(part.lowerBound * 2 * width), y.numbers.host(part.lowerBound * width), part.count, width,
          x.dtype.kernelValue)
      }
    }
  }

  /// `du = dy · v · silu'(u)`, `dv = dy · silu(u)`
  package func swiGLUBackward(
    _ x: some TensorProtocol, _ gradient: some TensorProtocol, into result: inout some TensorProtocol
  ) {
    let (x, dy, rows, width) = (x.numbers, gradient.numbers, x.shape.rowCount, x.shape.width / 2)
    result.withMutableNumbers {
      table.pointee.swiglu_backward(x.host, dy.host, $0.host, nil, rows, width, x.dtype.kernelValue)
    }
  }

  /// The same, and the activations again.
  package func swiGLUBackward(
    _ x: some TensorProtocol, _ gradient: some TensorProtocol, into result: inout some TensorProtocol,
    activations: inout some TensorProtocol
  ) {
    let (x, dy, rows, width) = (x.numbers, gradient.numbers, x.shape.rowCount, x.shape.width / 2)
    result.withMutableNumbers { dx in
      activations.withMutableNumbers { y in
        SharedWork.forEachPart(ofRows: rows, width: 2 * width) { part in
          let (narrow, wide) = (part.lowerBound * width, part.lowerBound * 2 * width)
          table.pointee.swiglu_backward(
            x.host(wide), dy.host(narrow), dx.numbers.host(wide), y.numbers.host(narrow), part.count, width,
            x.dtype.kernelValue)
        }
      }
    }
  }

  /// `g · silu(u) · v` for `rows` rows `[u | v]` of 2 · `width` numbers and a gate g a row.
  package func gatedSwiGLU(
    _ x: Numbers, gates: Numbers, rows: Int, width: Int, into result: inout some TensorProtocol
  ) {
    result.withMutableNumbers {
      table.pointee.gated_swiglu(x.host, gates.floats, $0.host, rows, width, x.dtype.kernelValue)
    }
  }

  /// `[du | dv]` of each row as in ``swiGLUBackward(_:_:into:)`` for a gradient g · dy; adds `<dy, silu(u) · v>` to the
  /// gates' gradient from `firstGate` on, and makes the gated activations again.
  package func gatedSwiGLUBackward(
    _ x: Numbers, gates: Numbers, _ gradient: some TensorProtocol, rows: Int, width: Int,
    into result: inout some TensorProtocol, gateGradient: inout Tensor, from firstGate: Int = 0,
    activations: inout some TensorProtocol
  ) {
    let dy = gradient.numbers
    let dg = gateGradient.mutableElements + firstGate
    result.withMutableNumbers { dx in
      activations.withMutableNumbers {
        table.pointee.gated_swiglu_backward(
          x.host, gates.floats, dy.host, dx.host, dg, $0.host, rows, width, x.dtype.kernelValue)
      }
    }
  }
}
