internal import NanoCUDA
internal import NanoTensor

/// Matrices of equal extents that are made orthogonal together, tall ones transposed.
///
/// Extents are padded by zeros to multiples of 8, which the iteration keeps at zero: products are then aligned
/// whatever the matrices are.
struct MatrixBatch {
  /// What matrices of one batch agree in.
  struct Kind: Hashable {
    let rows, columns: Int
    let coefficients: [NewtonSchulz.Coefficients]
    let format: DeviceFormat

    init(_ stack: MatrixStack, _ iteration: NewtonSchulz) {
      func padded(_ extent: Int) -> Int { (extent + 7) / 8 * 8 }
      rows = padded(min(stack.rows, stack.columns))
      columns = padded(max(stack.rows, stack.columns))
      coefficients = iteration.coefficients
      format = iteration.precision == .bfloat16 ? .bfloat16 : .float32
    }

    /// Whether launches cost more than products: such batches share theirs (``SmallMatrixBatches``).
    var isSmall: Bool { format == .bfloat16 && rows <= 256 }
  }

  let kind: Kind
  let count: Int
  /// The matrices before and after a step of the iteration, A and b A + c A².
  private let current, next, gram, polynomial: Tensor

  init(_ kind: Kind, count: Int, on gpu: CUDADevice) {
    func numbers(_ numbersEach: Int) -> Tensor {
      Tensor(uninitialized: [count * numbersEach * kind.format.bytesPerNumber / MemoryLayout<Float>.stride], on: gpu)
    }
    self.kind = kind
    self.count = count
    current = numbers(kind.rows * kind.columns)
    next = numbers(kind.rows * kind.columns)
    gram = numbers(kind.rows * kind.rows)
    polynomial = numbers(kind.rows * kind.rows)
  }

  /// Numbers from one matrix to the next.
  var matrixStride: Int { kind.rows * kind.columns }

  /// Where a matrix's direction is written, and where its orthogonal form then lies.
  func addresses(ofMatrix index: Int) -> (direction: UnsafeMutableRawPointer, orthogonal: UnsafeMutableRawPointer) {
    let offset = index * matrixStride * kind.format.bytesPerNumber
    let orthogonal = kind.coefficients.count.isMultiple(of: 2) ? current : next
    return (current.numbers.start + offset, orthogonal.numbers.start + offset)
  }

  var record: BatchRecord {
    BatchRecord(
      current: current.numbers.start, next: next.numbers.start, gram: gram.numbers.start,
      polynomial: polynomial.numbers.start, rows: Int32(kind.rows), columns: Int32(kind.columns))
  }

  /// `A = X Xᵀ, X ← a X + (b A + c A²) X` for every step, by the library's products.
  func iterate(on gpu: CUDADevice) {
    func matrices(_ tensor: Tensor, columns: Int) -> DeviceMatrix {
      DeviceMatrix(
        tensor.numbers.start, format: kind.format, rows: kind.rows, columns: columns,
        batchStride: kind.rows * columns)
    }
    var x = matrices(current, columns: kind.columns)
    var next = matrices(next, columns: kind.columns)
    let a = matrices(gram, columns: kind.rows)
    let b = matrices(polynomial, columns: kind.rows)
    for step in kind.coefficients {
      gpu.multiply(x, x.transposed, into: a, batchCount: count)
      gpu.multiply(a, a, into: b, alpha: step.c, adding: a, beta: step.b, batchCount: count)
      gpu.multiply(b, x, into: next, adding: x, beta: step.a, batchCount: count)
      swap(&x, &next)
    }
  }
}

/// The matrices of one parameter among those of a batch.
struct BatchedStack {
  let parameter, batch, firstMatrix: Int
  let stack: MatrixStack
  let iteration: NewtonSchulz
}
