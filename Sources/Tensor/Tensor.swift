package import NanoCUDA
internal import NanoPreconditions

/// A row-major array of `Float` with value semantics: copies share memory until one of them is written.
///
/// ```swift
/// let x = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])
/// print(x.shape, x.scalars)  // [2×3] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
/// ```
public struct Tensor: Sendable {
  /// Its extents.
  public private(set) var shape: Shape
  private var storage: TensorStorage

  /// Memory whose elements are whatever was there; every one must be written before it is read.
  package init(uninitialized shape: Shape, on gpu: CUDADevice? = nil) {
    self.shape = shape
    storage = TensorStorage(count: shape.elementCount, on: gpu)
  }

  /// All elements zero.
  public init(zeros shape: Shape) { self.init(repeating: 0, shape: shape) }

  /// All elements `value`.
  public init(repeating value: Float, shape: Shape) {
    self.init(uninitialized: shape)
    storage.elements.initialize(repeating: value, count: shape.elementCount)
  }

  /// All elements `value`, on the host or a GPU.
  package init(repeating value: Float, shape: Shape, on gpu: CUDADevice?) {
    guard let gpu else {
      self.init(repeating: value, shape: shape)
      return
    }
    self.init(uninitialized: shape, on: gpu)
    let count = elementCount
    gpu.launchElementwise("fill_elements", count: count, [.output(&self), .float(value), .long(count)])
  }

  /// The given elements, row-major.
  /// - Precondition: as many scalars as the shape has elements.
  public init(_ scalars: [Float], shape: Shape) {
    checkPrecondition(
      scalars.count == shape.elementCount, "Tensor: \(scalars.count) scalars for shape \(shape)")
    self.init(uninitialized: shape)
    scalars.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      storage.elements.initialize(from: base, count: source.count)
    }
  }

  /// Elements that `body` appends, row-major: nothing is written twice.
  ///
  /// ```swift
  /// let squares = Tensor(shape: [2, 3]) { elements in
  ///   for i in 0..<6 { elements.append(Float(i * i)) }
  /// }
  /// ```
  /// - Precondition: as many are appended as the shape has elements.
  public init<E: Error>(
    shape: Shape, initializingWith body: (inout OutputSpan<Float>) throws(E) -> Void
  ) throws(E) {
    self.init(uninitialized: shape)
    let buffer = UnsafeMutableBufferPointer(start: storage.elements, count: shape.elementCount)
    var elements = OutputSpan(buffer: buffer, initializedCount: 0)
    try body(&elements)
    let count = elements.finalize(for: buffer)
    checkPrecondition(count == shape.elementCount, "Tensor: \(count) elements appended for shape \(shape)")
  }

  /// Uniformly distributed on ±`bound`.
  public init(
    uniformWithin bound: Float, shape: Shape, using generator: inout RandomGenerator
  ) {
    self.init(uninitialized: shape)
    for index in 0..<shape.elementCount {
      storage.elements[index] = bound * (2 * generator.nextUniform() - 1)
    }
  }

  /// Normally distributed with mean 0.
  public init(
    normal shape: Shape, standardDeviation: Float = 1, using generator: inout RandomGenerator
  ) {
    self.init(uninitialized: shape)
    for index in 0..<shape.elementCount {
      storage.elements[index] = standardDeviation * generator.nextNormal()
    }
  }

  /// The product of its extents.
  public var elementCount: Int { shape.elementCount }

  /// A copy of the elements, row-major.
  public var scalars: [Float] { withElements { $0.withUnsafeBufferPointer { Array($0) } } }

  /// The element of a tensor that has exactly one.
  public var scalar: Float {
    checkPrecondition(elementCount == 1, "Tensor.scalar: shape \(shape) has \(elementCount) elements")
    return on(.cpu).scalars[0]
  }

  /// The same elements under another shape. O(1).
  /// - Precondition: equal element counts.
  public func reshaped(_ newShape: Shape) -> Tensor {
    checkPrecondition(
      newShape.elementCount == elementCount,
      "reshaped: \(shape) has other elements than \(newShape)")
    var result = self
    result.shape = newShape
    return result
  }

  /// Calls `body` with the elements, row-major.
  public func withElements<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
    let host = on(.cpu)
    defer { withExtendedLifetime(host) {} }
    return try body(UnsafeBufferPointer(start: host.elements, count: elementCount).span)
  }

  /// Calls `body` with the elements for writing; copies them first when they are shared.
  public mutating func withMutableElements<R, E: Error>(
    _ body: (inout MutableSpan<Float>) throws(E) -> R
  ) throws(E) -> R {
    guard let gpu else {
      let buffer = UnsafeMutableBufferPointer(start: mutableElements, count: elementCount)
      var span = buffer.mutableSpan
      return try body(&span)
    }
    var host = on(.cpu)
    defer {
      makeUnshared()
      gpu.upload(host.elements, to: storage.elements, bytes: elementCount * MemoryLayout<Float>.stride)
      storage.hostWrites += 1
    }
    return try host.withMutableElements(body)
  }

  /// Calls `body` with the elements for writing; copies them first when they are shared.
  @discardableResult
  package mutating func withMutableNumbers<R>(_ body: (MutableNumbers) -> R) -> R {
    makeUnshared()
    return body(MutableNumbers(numbers))
  }

  /// The elements on the host, for kernels that are given this tensor and so keep it.
  var elements: UnsafePointer<Float> {
    checkPrecondition(storage.gpu == nil, "Tensor: the host reads \(shape) that lies on a GPU")
    return UnsafePointer(storage.elements)
  }

  /// The same for writing, unshared first; for kernels that are given this tensor `inout`.
  var mutableElements: UnsafeMutablePointer<Float> {
    mutating get {
      checkPrecondition(storage.gpu == nil, "Tensor: the host writes \(shape) that lies on a GPU")
      makeUnshared()
      return storage.elements
    }
  }

  /// Gives this tensor memory of its own, if it shares it.
  package mutating func makeUnshared() {
    if !isKnownUniquelyReferenced(&storage) { storage = storage.copy(count: elementCount) }
  }

  /// The GPU that the elements lie on; nil for the host.
  package var gpu: CUDADevice? { storage.gpu }

  /// The elements, for kernels, wherever they lie. Those of a GPU write them through ``withMutableNumbers(_:)`` or
  /// ``NanoCUDA/KernelArgument/output(_:)`` alone; of what is rewritten where others hold it, such as an optimizer's, the
  /// records of a step hold the address.
  package var numbers: Numbers { Numbers(of: storage, .float32) }

  /// How often the host has written the elements, where they lie on a GPU.
  var hostWrites: Int { storage.hostWrites }

  /// Identifies the memory; no two memories of a process have the same.
  package var storageNumber: UInt64 { storage.number }

  /// Whether a write would happen in place.
  package var isUnshared: Bool { mutating get { isKnownUniquelyReferenced(&storage) } }
}
