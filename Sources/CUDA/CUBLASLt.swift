/// NVIDIA's matrix products, opened at run time.
///
/// `C = α · A B + β · C (+ bias)` of row-major matrices; cuBLASLt counts columns first, so it is given the
/// transposed equation `Cᵀ = α · Bᵀ Aᵀ + β · Cᵀ`, which needs no copy.
final class CUBLASLt {
  private typealias Status = Int32
  private typealias Handle = UnsafeMutableRawPointer

  private let create: @convention(c) (UnsafeMutablePointer<Handle?>) -> Status
  private let descriptionCreate: @convention(c) (UnsafeMutablePointer<Handle?>, Int32, Int32) -> Status
  private let descriptionSet: @convention(c) (Handle?, Int32, UnsafeRawPointer, Int) -> Status
  private let layoutCreate: @convention(c) (UnsafeMutablePointer<Handle?>, Int32, UInt64, UInt64, Int64) -> Status
  private let layoutSet: @convention(c) (Handle?, Int32, UnsafeRawPointer, Int) -> Status
  private let preferenceCreate: @convention(c) (UnsafeMutablePointer<Handle?>) -> Status
  private let preferenceDestroy: @convention(c) (Handle?) -> Status
  private let preferenceSet: @convention(c) (Handle?, Int32, UnsafeRawPointer, Int) -> Status
  private let heuristic:
    @convention(c) (
      Handle?, Handle?, Handle?, Handle?, Handle?, Handle?, Handle?, Int32, UnsafeMutableRawPointer,
      UnsafeMutablePointer<Int32>
    ) -> Status
  private let matmul:
    @convention(c) (
      Handle?, Handle?, UnsafeRawPointer, UnsafeRawPointer?, Handle?, UnsafeRawPointer?, Handle?,
      UnsafeRawPointer, UnsafeRawPointer?, Handle?, UnsafeMutableRawPointer?, Handle?, UnsafeRawPointer,
      UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?
    ) -> Status
  private let handle: Handle

  /// Whether float32 products may round their operands to TF32.
  var allowsTF32 = false
  private var plans: [Key: Plan] = [:]
  /// Products that the library does not make with sums of rows.
  private var refused: Set<Key> = []

  static let workspaceBytes = 32 << 20

  init(in folders: LibraryFolders) throws(CUDAError) {
    let library = try DynamicLibrary(
      ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"], purpose: "CUDA's matrix products",
      in: folders)
    create = try library.function("cublasLtCreate")
    descriptionCreate = try library.function("cublasLtMatmulDescCreate")
    descriptionSet = try library.function("cublasLtMatmulDescSetAttribute")
    layoutCreate = try library.function("cublasLtMatrixLayoutCreate")
    layoutSet = try library.function("cublasLtMatrixLayoutSetAttribute")
    preferenceCreate = try library.function("cublasLtMatmulPreferenceCreate")
    preferenceDestroy = try library.function("cublasLtMatmulPreferenceDestroy")
    preferenceSet = try library.function("cublasLtMatmulPreferenceSetAttribute")
    heuristic = try library.function("cublasLtMatmulAlgoGetHeuristic")
    matmul = try library.function("cublasLtMatmul")
    var handle: Handle?
    let status = create(&handle)
    guard status == 0, let handle else { throw Self.error("cublasLtCreate", status) }
    self.handle = handle
  }

  private static func error(_ name: String, _ status: Status) -> CUDAError {
    .call(name: name, reason: "cuBLAS status \(status)")
  }

  // MARK: Product

  /// What a product looks like apart from its addresses; products that agree in it share a plan.
  private struct Key: Hashable {
    var left, right, addend, result: Operand
    var rows, columns, depth, batchCount: Int
    var addsToResult, hasBias, sumsRows, usesTF32: Bool

    struct Operand: Hashable {
      var format: DeviceFormat
      var leading, batchStride, alignment: Int
      var isTransposed: Bool

      init(_ matrix: DeviceMatrix) {
        format = matrix.format
        leading = matrix.leading
        batchStride = matrix.batchStride
        alignment = matrix.alignment
        isTransposed = matrix.isTransposed
      }
    }
  }

  private struct Plan {
    let description, left, right, result: Handle?
    /// 64 bytes that only the library understands.
    let algorithm: [UInt64]
    let workspaceBytes: Int
  }

  /// `result = alpha · left · right + beta · addend (+ bias)`, on the stream, and in `rowSums`, if they are wanted, the sums
  /// of the left matrix's rows.
  /// - Parameter usesTF32: whether float32 operands may be rounded to TF32 though ``allowsTF32`` is false.
  /// - Returns: whether there are sums: not every product of the library makes them.
  func multiply(
    _ left: DeviceMatrix, _ right: DeviceMatrix, into result: DeviceMatrix, alpha: Float, adding addend: DeviceMatrix,
    beta: Float, bias: UnsafeRawPointer?, rowSums: UnsafeMutableRawPointer?, usesTF32: Bool, batchCount: Int,
    workspace: UnsafeMutableRawPointer?, stream: UnsafeMutableRawPointer?
  ) throws(CUDAError) -> Bool {
    var key = Key(
      left: .init(left), right: .init(right), addend: .init(addend), result: .init(result), rows: left.rows,
      columns: right.columns, depth: left.columns, batchCount: batchCount, addsToResult: beta != 0,
      hasBias: bias != nil, sumsRows: rowSums != nil,
      usesTF32: left.format == .float32 && (usesTF32 || allowsTF32))
    var vector = rowSums.map { UnsafeRawPointer($0) } ?? bias
    if key.sumsRows, plans[key] == nil, !refused.contains(key) {
      do throws(CUDAError) { plans[key] = try makePlan(key, vector) } catch { refused.insert(key) }
    }
    if refused.contains(key) { (key.sumsRows, vector) = (false, bias) }
    let plan: Plan
    if let known = plans[key] {
      plan = known
    } else {
      plan = try makePlan(key, vector)
      plans[key] = plan
    }
    if var vector { try set(descriptionSet, plan.description, Attribute.biasPointer, &vector) }
    var (alpha, beta) = (alpha, beta)
    let status = matmul(
      handle, plan.description, &alpha, right.address, plan.right, left.address, plan.left, &beta,
      addend.address, plan.result, result.address, plan.result, plan.algorithm, workspace, plan.workspaceBytes,
      stream)
    if status != 0, key.sumsRows {
      refused.insert(key)
      return try multiply(
        left, right, into: result, alpha: alpha, adding: addend, beta: beta, bias: bias, rowSums: rowSums,
        usesTF32: usesTF32, batchCount: batchCount, workspace: workspace, stream: stream)
    }
    if status != 0 {
      throw Self.error("cublasLtMatmul of \(key.rows)×\(key.depth) by \(key.depth)×\(key.columns)", status)
    }
    return key.sumsRows
  }

  // MARK: Plans

  /// Numbers of attributes and values, from cublasLt.h.
  private enum Attribute {
    static let (transposeA, transposeB, epilogue, biasPointer): (Int32, Int32, Int32, Int32) = (3, 4, 7, 8)
    static let (batchCount, batchOffset): (Int32, Int32) = (5, 6)
    static let (maximumWorkspace, alignmentA, alignmentB, alignmentC, alignmentD): (Int32, Int32, Int32, Int32, Int32) =
      (1, 5, 6, 7, 8)
  }

  private static func type(_ format: DeviceFormat) -> Int32 { format == .float32 ? 0 : 14 }

  private func set<Value: BitwiseCopyable>(
    _ setter: @convention(c) (Handle?, Int32, UnsafeRawPointer, Int) -> Status, _ object: Handle?,
    _ attribute: Int32, _ value: inout Value
  ) throws(CUDAError) {
    let status = setter(object, attribute, &value, MemoryLayout<Value>.size)
    if status != 0 { throw Self.error("setting attribute \(attribute)", status) }
  }

  /// - Parameter vector: the bias, or room for the sums of rows.
  private func makePlan(_ key: Key, _ vector: UnsafeRawPointer?) throws(CUDAError) -> Plan {
    let float32: Int32 = 0
    let (plain, fastTF32): (Int32, Int32) = (68, 77)
    var description: Handle?
    let status = descriptionCreate(&description, key.usesTF32 ? fastTF32 : plain, float32)
    if status != 0 { throw Self.error("cublasLtMatmulDescCreate", status) }
    // The library's A is our right operand, its columns our rows.
    var (transposeA, transposeB): (Int32, Int32) = (key.right.isTransposed ? 1 : 0, key.left.isTransposed ? 1 : 0)
    try set(descriptionSet, description, Attribute.transposeA, &transposeA)
    try set(descriptionSet, description, Attribute.transposeB, &transposeB)
    // Sums of our left matrix's rows are the library's bias gradients of its B.
    if key.hasBias || key.sumsRows {
      var epilogue: Int32 = key.sumsRows ? 512 : 4
      try set(descriptionSet, description, Attribute.epilogue, &epilogue)
    }
    if var vector { try set(descriptionSet, description, Attribute.biasPointer, &vector) }
    let right = try layout(key.right, rows: key.columns, columns: key.depth, key)
    let left = try layout(key.left, rows: key.depth, columns: key.rows, key)
    let result = try layout(key.result, rows: key.columns, columns: key.rows, key)
    let found = try algorithm(description, right: right, left: left, result: result, key)
    return Plan(
      description: description, left: left, right: right, result: result, algorithm: found.algorithm,
      workspaceBytes: found.workspaceBytes)
  }

  private func layout(_ operand: Key.Operand, rows: Int, columns: Int, _ key: Key) throws(CUDAError) -> Handle? {
    var layout: Handle?
    let (stored0, stored1) = operand.isTransposed ? (columns, rows) : (rows, columns)
    let status = layoutCreate(
      &layout, Self.type(operand.format), UInt64(stored0), UInt64(stored1), Int64(operand.leading))
    if status != 0 { throw Self.error("cublasLtMatrixLayoutCreate", status) }
    if key.batchCount > 1 {
      var (count, offset) = (Int32(key.batchCount), Int64(operand.batchStride))
      try set(layoutSet, layout, Attribute.batchCount, &count)
      try set(layoutSet, layout, Attribute.batchOffset, &offset)
    }
    return layout
  }

  private func algorithm(
    _ description: Handle?, right: Handle?, left: Handle?, result: Handle?, _ key: Key
  ) throws(CUDAError) -> (algorithm: [UInt64], workspaceBytes: Int) {
    var preference: Handle?
    let status = preferenceCreate(&preference)
    if status != 0 { throw Self.error("cublasLtMatmulPreferenceCreate", status) }
    defer { _ = preferenceDestroy(preference) }
    var bytes = UInt64(Self.workspaceBytes)
    try set(preferenceSet, preference, Attribute.maximumWorkspace, &bytes)
    let alignments = [
      (Attribute.alignmentA, key.right), (Attribute.alignmentB, key.left), (Attribute.alignmentC, key.addend),
      (Attribute.alignmentD, key.result),
    ]
    for (attribute, operand) in alignments {
      var alignment = UInt32(operand.alignment)
      try set(preferenceSet, preference, attribute, &alignment)
    }
    // cublasLtMatmulHeuristicResult_t: 64 bytes of algorithm, the workspace it needs, status, and more.
    var answer = [UInt64](repeating: 0, count: 12)
    var count: Int32 = 0
    let found = heuristic(
      handle, description, right, left, result, result, preference, 1, &answer, &count)
    guard found == 0, count > 0 else {
      throw Self.error(
        "finding an algorithm for \(key.rows)×\(key.depth) by \(key.depth)×\(key.columns)", found)
    }
    return (Array(answer[..<8]), Int(answer[8]))
  }
}
