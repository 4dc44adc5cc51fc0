internal import NanoTensor

/// What ``SOAP`` keeps of one matrix as it lies in memory.
struct PreconditionedMoments: Sendable {
  /// Adam's moments in the eigenbases, rows × columns.
  var mean, square: Tensor
  /// L, over the matrix's columns, and R, over its rows.
  var left, right: Tensor
  /// Their eigenvectors, one a row, by falling eigenvalue.
  var leftBasis, rightBasis: Tensor

  /// What a checkpoint holds.
  nonisolated(unsafe) static let buffers: [(name: String, path: WritableKeyPath<Self, Tensor>)] = [
    ("mean", \.mean), ("square", \.square), ("left", \.left), ("right", \.right), ("leftBasis", \.leftBasis),
    ("rightBasis", \.rightBasis),
  ]

  init(rows: Int, columns: Int) {
    mean = Tensor(zeros: [rows, columns])
    square = mean
    left = Tensor(zeros: [rows, rows])
    right = Tensor(zeros: [columns, columns])
    (leftBasis, rightBasis) = (left, right)
  }

  /// Adam's step in the eigenbases: what is to be added to the matrix.
  mutating func change(by gradient: Tensor, _ constants: AdamWConstants) -> Tensor {
    let turned = intoBases(gradient)
    var change = Tensor(zeros: mean.shape)
    change.withMutableElements { change in
      turned.withElements { kernels.adamW(constants, &change, gradient: $0, mean: &mean, square: &square) }
    }
    return outOfBases(change)
  }

  /// Takes a gradient into the preconditioners, and makes or renews their bases.
  mutating func precondition(by gradient: Tensor, beta: Float, isFirst: Bool, renewsBases: Bool) {
    kernels.combine(beta, &left, 1 - beta, gram(gradient.matrix))
    kernels.combine(beta, &right, 1 - beta, gram(gradient.matrix.transposed))
    if isFirst {
      makeBases(gradient)
    } else if renewsBases {
      let plainMean = outOfBases(mean)
      renewBases()
      mean = intoBases(plainMean)
    }
  }

  private func intoBases(_ matrix: Tensor) -> Tensor {
    matmul(matmul(leftBasis.matrix, matrix.matrix).matrix, rightBasis.matrix.transposed)
  }

  private func outOfBases(_ matrix: Tensor) -> Tensor {
    matmul(matmul(leftBasis.matrix.transposed, matrix.matrix).matrix, rightBasis.matrix)
  }

  /// A Aᵀ.
  private func gram(_ matrix: MatrixView) -> Tensor {
    var gram = Tensor(uninitialized: [matrix.rows, matrix.rows])
    matmul(matrix, matrix.transposed, into: &gram, triangle: .upperResult)
    kernels.mirrorUpper(&gram)
    return gram
  }

  /// The eigenvectors of one gradient's L and R are its singular vectors: those of the longer side follow from those of
  /// the shorter one, and what completes them is arbitrary.
  private mutating func makeBases(_ gradient: Tensor) {
    if left.shape[0] <= right.shape[0] {
      leftBasis = eigenvectors(ofSymmetric: left)
      rightBasis = orthonormalBasis(from: matmul(leftBasis.matrix, gradient.matrix))
    } else {
      rightBasis = eigenvectors(ofSymmetric: right)
      leftBasis = orthonormalBasis(from: matmul(rightBasis.matrix, gradient.matrix.transposed))
    }
  }

  /// One step of the power iteration for each basis, its vectors first ordered by what they have become.
  private mutating func renewBases() {
    func renewed(_ basis: Tensor, _ preconditioner: Tensor) -> (basis: Tensor, order: [Int32]) {
      let power = matmul(basis.matrix, preconditioner.matrix)
      let order = power.rowOrder(byProductsWith: basis)
      return (orthonormalBasis(from: power.rows(order)), order)
    }
    let (newLeft, rowOrder) = renewed(leftBasis, left)
    let (newRight, columnOrder) = renewed(rightBasis, right)
    (leftBasis, rightBasis) = (newLeft, newRight)
    square = kernels.transposed(kernels.transposed(square.rows(rowOrder)).rows(columnOrder))
  }
}

extension Tensor {
  /// The rows of a matrix in another order.
  fileprivate func rows(_ order: [Int32]) -> Tensor {
    var result = Tensor(uninitialized: shape)
    kernels.gatherRows(of: self, order[...], into: &result)
    return result
  }

  /// The order of rows in which their products with the rows of another matrix fall.
  fileprivate func rowOrder(byProductsWith other: Tensor) -> [Int32] {
    let width = shape.width
    let products: [Float] = withElements { mine in
      other.withElements { others in
        (0..<shape.rowCount).map { row in
          (row * width..<(row + 1) * width).reduce(0) { $0 + mine[$1] * others[$1] }
        }
      }
    }
    return products.indices.sorted { (products[$0], $1) > (products[$1], $0) }.map(Int32.init)
  }
}
