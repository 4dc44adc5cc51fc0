// The records that Kernels/optimizer.cu reads, in its order; pointers and numbers as C lays them out.

/// What a step takes from the host, and what comes of its gradients.
struct StepRecord: BitwiseCopyable {
  var learningRateFactor: Float = 1
  var clippingLimit: Float = .infinity
  /// The number of this update, from 1.
  var step: Int64 = 1
  var norm: Float = 0
  var gradientFactor: Float = 1
  var loss: Float = 0
  var isFinite: Int32 = 1
}

/// A parameter's addresses.
struct ParameterRecord: BitwiseCopyable {
  var value, gradient: UnsafeMutableRawPointer
  var first, second: UnsafeMutableRawPointer?
  var halfValue: UnsafeMutableRawPointer?
  var count: Int64
}

/// What does not change of a rule from step to step; the formulas are with `factors_at` in the kernels.
struct RuleRecord: BitwiseCopyable {
  var learningRate: Float = 0
  var weightDecay: Float = 0
  var scale: Float = 1
  var momentum: Float = 0
  var momentum2: Float = 0
  var epsilon: Float = 0
  var gradientWeight: Float = 1
  var aheadMomentum: Float = 0
  var aheadGradient: Float = 0
  var correctsRate: Int32 = 0
  var correctsAhead: Int32 = 0
  /// The parameter's updates less those of the run.
  var stepOffset: Int32 = 0

  /// Floats that the kernels make of it at a step.
  static let factorCount = 6
}

/// A part of a parameter, for one block.
struct ChunkRecord: BitwiseCopyable {
  var parameter: Int32
  var unused: Int32 = 0
  var start: Int64

  static let size = 16_384
}

/// The matrices of one parameter, and where in a batch they are made orthogonal.
struct StackRecord: BitwiseCopyable {
  var parameter, rows, columns: Int32
  var isTransposed: Int32
  var format: Int32
  var unused: Int32 = 0
  var matrixStride: Int64
  var direction, orthogonal: UnsafeMutableRawPointer
  var firstTile, tiles: Int32
  var safetyFactor, epsilon: Float
}

/// A part of a matrix, for one block: of a parameter's stack, or of a batch.
struct TileRecord: BitwiseCopyable {
  var owner, matrix, row, column: Int32

  static let extent = 64
}

/// A batch of small matrices, for the products of Kernels/newton_schulz.cu.
struct BatchRecord: BitwiseCopyable {
  var current, next, gram, polynomial: UnsafeMutableRawPointer
  var rows, columns: Int32
}
