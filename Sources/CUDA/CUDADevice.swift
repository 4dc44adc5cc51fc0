internal import Synchronization
internal import NanoPreconditions

/// A GPU: its memory, its kernels and its one stream of work.
///
/// Work is asynchronous. What fails on the way, or does not fit into memory, is remembered, and from then on
/// nothing more is launched; ``check()`` and ``enforcingLimit(_:)`` tell. So an operation never has to.
package final class CUDADevice: @unchecked Sendable {
  package let name: String
  /// Such as 9.0.
  package let computeCapability: String
  package let multiprocessorCount: Int
  package let totalBytes: Int

  private let driver: CUDADriver
  private let context: UnsafeMutableRawPointer?
  private let stream: UnsafeMutableRawPointer?
  private let products: CUBLASLt
  private let modules: KernelModules
  private let workspace: UnsafeMutableRawPointer
  private let state = Mutex(State())
  private let events: (start: UnsafeMutableRawPointer?, end: UnsafeMutableRawPointer?)

  private struct State {
    var pool = DeviceMemoryPool()
    var limit = Int.max
    var isEnforced = false
    /// What would have been live at the first allocation that did not fit.
    var neededBytes: Int?
    var failure: CUDAError?
    var lastNumber: UInt64 = 0
    var lastGraph = 0
    /// What was uploaded since someone began to ask.
    var uploads: [Upload]?
    var staging: HostBuffer?
    var splitCost = 40
    /// Where time goes, since someone began to ask.
    var profile: DeviceProfile?
  }

  // MARK: Opening

  /// The first device that the driver shows.
  /// - Parameters:
  ///   - folders: where the libraries lie.
  ///   - cacheFolder: where compiled kernels are kept; nil for the user's cache.
  package init(libraries folders: LibraryFolders = LibraryFolders(), cacheFolder: String? = nil) throws(CUDAError) {
    let driver = try CUDADriver(in: folders)
    let status = driver.cuInit(0)
    guard status == 0 else { throw .noDevice(reason: "\(driver.error("cuInit", status))") }
    var (count, device, version): (Int32, Int32, Int32) = (0, 0, 0)
    try driver.check("cuDeviceGetCount", driver.cuDeviceGetCount(&count))
    guard count > 0 else { throw .noDevice(reason: "the driver shows none") }
    try driver.check("cuDeviceGet", driver.cuDeviceGet(&device, 0))
    _ = driver.cuDriverGetVersion(&version)
    func attribute(_ number: Int32) -> Int {
      var value: Int32 = 0
      _ = driver.cuDeviceGetAttribute(&value, number, device)
      return Int(value)
    }
    var text = [CChar](repeating: 0, count: 256)
    _ = driver.cuDeviceGetName(&text, Int32(text.count - 1), device)
    name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let (major, minor) = (attribute(75), attribute(76))
    computeCapability = "\(major).\(minor)"
    multiprocessorCount = attribute(16)
    guard major >= 8 else {
      throw .deviceTooOld(name: name, capability: computeCapability, needed: "8.0")
    }
    var context: UnsafeMutableRawPointer?
    try driver.check("cuDevicePrimaryCtxRetain", driver.cuDevicePrimaryCtxRetain(&context, device))
    try driver.check("cuCtxSetCurrent", driver.cuCtxSetCurrent(context))
    var (free, total) = (0, 0)
    try driver.check("cuMemGetInfo", driver.cuMemGetInfo(&free, &total))
    totalBytes = total
    var stream: UnsafeMutableRawPointer?
    let nonBlocking: UInt32 = 1
    try driver.check("cuStreamCreate", driver.cuStreamCreate(&stream, nonBlocking))
    var address: UInt64 = 0
    try driver.check("cuMemAlloc", driver.cuMemAlloc(&address, CUBLASLt.workspaceBytes))
    workspace = UnsafeMutableRawPointer(bitPattern: UInt(address))!
    var events: (start: UnsafeMutableRawPointer?, end: UnsafeMutableRawPointer?)
    try driver.check("cuEventCreate", driver.cuEventCreate(&events.start, 0))
    try driver.check("cuEventCreate", driver.cuEventCreate(&events.end, 0))
    self.events = events
    products = try CUBLASLt(in: folders)
    modules = KernelModules(
      driver, architecture: "sm_\(major)\(minor)", driverVersion: version, in: folders,
      cache: KernelCache(folder: cacheFolder))
    self.driver = driver
    self.context = context
    self.stream = stream
    // What is missing or does not compile is known before any work is done.
    _ = try modules.function(Kernel("elementwise", "fill_elements"), sharedBytes: 0)
  }

  /// Whether float32 products may round their operands to TF32: faster, 10 bits of precision. Off by default.
  package var allowsTF32: Bool {
    get { state.withLock { _ in products.allowsTF32 } }
    set { state.withLock { _ in products.allowsTF32 = newValue } }
  }

  /// Which products `fp32-split` splits: those with this many multiplications for each number that is copied, read or
  /// written more than by a plain one. A multiplication of three TF32 products takes about 27 femtoseconds less than a
  /// float32 one on an H200, and a number there and back about a picosecond.
  package var splitCost: Int {
    get { state.withLock { $0.splitCost } }
    set { state.withLock { $0.splitCost = newValue } }
  }

  // MARK: Memory

  /// Memory in use, and an identity that no other memory has.
  package struct Allocation: @unchecked Sendable {
    package let address: UnsafeMutableRawPointer
    package let number: UInt64
    let block: DeviceMemoryPool.Block?
  }

  package var statistics: DeviceMemoryPool.Statistics { state.withLock { $0.pool.statistics } }

  package func resetPeak() { state.withLock { $0.pool.resetPeak() } }

  /// The most bytes that tensors may hold in work that can be given up; nil for what the device has.
  package var limit: Int? {
    get { state.withLock { $0.limit == .max ? nil : $0.limit } }
    set { state.withLock { $0.limit = newValue ?? .max } }
  }

  /// Memory whose content is whatever was there. Where there is none left, an address that is never used: from
  /// then on nothing is launched.
  package func allocate(bytes: Int) -> Allocation {
    state.withLock { state in
      state.lastNumber += 1
      let number = state.lastNumber
      func refuse() -> Allocation {
        state.neededBytes = state.neededBytes ?? state.pool.statistics.currentBytes + bytes
        if !state.isEnforced {
          state.failure =
            state.failure
            ?? .call(
              name: "cuMemAlloc",
              reason: "out of memory: \(state.neededBytes! / 1_000_000) MB are needed, the device has "
                + "\(totalBytes / 1_000_000) MB; use a smaller batch or model")
        }
        return Allocation(address: workspace, number: number, block: nil)
      }
      if state.neededBytes != nil { return refuse() }
      if state.isEnforced, state.pool.statistics.currentBytes + bytes > state.limit { return refuse() }
      makeCurrent()
      var block = state.pool.allocate(bytes: bytes, from: fresh)
      if block == nil {
        returnFreeBlocks(&state.pool)
        block = state.pool.allocate(bytes: bytes, from: fresh)
      }
      guard let block, let address = UnsafeMutableRawPointer(bitPattern: block.address) else { return refuse() }
      return Allocation(address: address, number: number, block: block)
    }
  }

  package func deallocate(_ allocation: Allocation) {
    guard let block = allocation.block else { return }
    state.withLock { $0.pool.deallocate(block) }
  }

  private func fresh(_ bytes: Int) -> UInt? {
    var address: UInt64 = 0
    return driver.cuMemAlloc(&address, bytes) == 0 ? UInt(address) : nil
  }

  private func returnFreeBlocks(_ pool: inout DeviceMemoryPool) {
    let blocks = pool.takeFreeBlocks()
    if !blocks.isEmpty { _ = driver.cuStreamSynchronize(stream) }
    for block in blocks { _ = driver.cuMemFree(UInt64(block)) }
  }

  /// Gives blocks that are held for reuse back to the driver.
  package func trim() {
    state.withLock { state in
      makeCurrent()
      returnFreeBlocks(&state.pool)
    }
  }

  /// Runs work that can be given up when it needs more memory than the limit, or than the device has.
  /// - Returns: what `body` returned, or in `needed` the bytes that would have been live.
  package func enforcingLimit<Result>(_ body: () -> Result) -> (result: Result, needed: Int?) {
    state.withLock { $0.isEnforced = true }
    let result = body()
    return (
      result,
      state.withLock { state in
        state.isEnforced = false
        defer { state.neededBytes = nil }
        return state.neededBytes
      }
    )
  }

  /// Whether work is being given up, or has failed: what it returns is worth nothing.
  package var isGivingUp: Bool { state.withLock { $0.neededBytes != nil || $0.failure != nil } }

  // MARK: Work

  private func makeCurrent() { _ = driver.cuCtxSetCurrent(context) }

  /// Does `work` on the stream, unless earlier work failed.
  private func perform(_ name: @autoclosure () -> String = "copies", _ work: () throws(CUDAError) -> Void) {
    state.withLock { state in
      guard state.failure == nil, state.neededBytes == nil else { return }
      makeCurrent()
      do throws(CUDAError) {
        if state.profile == nil {
          try work()
        } else {
          let milliseconds = try timed(work)
          state.profile?.add(name(), milliseconds: milliseconds)
        }
      } catch { state.failure = error }
    }
  }

  /// Milliseconds that work takes on the device.
  private func timed(_ work: () throws(CUDAError) -> Void) throws(CUDAError) -> Double {
    try driver.check("cuEventRecord", driver.cuEventRecord(events.start, stream))
    try work()
    try driver.check("cuEventRecord", driver.cuEventRecord(events.end, stream))
    try driver.check("cuEventSynchronize", driver.cuEventSynchronize(events.end))
    var milliseconds: Float = 0
    try driver.check("cuEventElapsedTime", driver.cuEventElapsedTime(&milliseconds, events.start, events.end))
    return Double(milliseconds)
  }

  /// Runs `body`, waiting for every launch, and tells where the device's time went. Nothing may be recorded meanwhile.
  package func profiling(_ body: () throws -> Void) rethrows -> DeviceProfile {
    state.withLock { $0.profile = DeviceProfile() }
    defer { state.withLock { $0.profile = nil } }
    try body()
    return state.withLock { $0.profile ?? DeviceProfile() }
  }

  /// Whether ``profiling(_:)`` runs.
  package var isProfiling: Bool { state.withLock { $0.profile != nil } }

  /// Launches a kernel of `grid` blocks.
  package func launch(
    _ kernel: Kernel, grid: (x: Int, y: Int, z: Int), threads: Int, sharedBytes: Int = 0,
    _ arguments: [KernelArgument]
  ) {
    guard grid.x > 0, grid.y > 0, grid.z > 0 else { return }
    checkPrecondition(
      grid.x <= Int(Int32.max) && grid.y <= 65_535 && grid.z <= 65_535,
      "CUDADevice.launch: \(kernel.name) with a grid of \(grid)")
    perform(kernel.name) { () throws(CUDAError) in
      let function = try modules.function(kernel, sharedBytes: sharedBytes)
      let status = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: arguments.count) { values in
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: arguments.count) { pointers in
          for (index, argument) in arguments.enumerated() {
            values[index] = argument.bits
            pointers[index] = UnsafeMutableRawPointer(values.baseAddress! + index)
          }
          return driver.cuLaunchKernel(
            function, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(threads), 1, 1, UInt32(sharedBytes),
            stream, pointers.baseAddress, nil)
        }
      }
      try driver.check("launching \(kernel.name)", status)
    }
  }

  /// Launches a kernel of so many blocks in a row.
  package func launch(
    _ kernel: Kernel, blocks: Int, threads: Int, sharedBytes: Int = 0, _ arguments: [KernelArgument]
  ) {
    launch(kernel, grid: (blocks, 1, 1), threads: threads, sharedBytes: sharedBytes, arguments)
  }

  /// `result = alpha · left · right + beta · addend (+ bias)`, where the addend is the result itself unless another is
  /// given; `bias` has the result's format, one number a column. `rowSums`, of the result's format, become the sums of the
  /// left matrix's rows where the library makes them by the way. `usesTF32` lets float32 operands be rounded to TF32.
  /// - Precondition: the extents agree, and the addend lies in memory as the result does.
  /// - Returns: whether there are sums.
  @discardableResult
  package func multiply(
    _ left: DeviceMatrix, _ right: DeviceMatrix, into result: DeviceMatrix, alpha: Float = 1,
    adding addend: DeviceMatrix? = nil, beta: Float = 0, bias: UnsafeRawPointer? = nil,
    rowSums: UnsafeMutableRawPointer? = nil, usesTF32: Bool = false, batchCount: Int = 1
  ) -> Bool {
    checkPrecondition(
      left.columns == right.rows && left.rows == result.rows && right.columns == result.columns,
      "CUDADevice.multiply: \(left.rows)×\(left.columns) by \(right.rows)×\(right.columns) into "
        + "\(result.rows)×\(result.columns)")
    checkPrecondition(
      addend.map { $0.at(result.address) == result } ?? true, "CUDADevice.multiply: the addend is laid out otherwise")
    guard left.rows > 0, right.columns > 0, batchCount > 0 else { return false }
    var isSummed = false
    perform(
      "product \(left.rows)×\(left.columns)×\(right.columns) \(left.format)\(batchCount > 1 ? " of \(batchCount)" : "")"
        + (usesTF32 ? ", TF32" : "") + (rowSums == nil ? "" : ", sums")
    ) { () throws(CUDAError) in
      isSummed = try products.multiply(
        left, right, into: result, alpha: alpha, adding: addend ?? result, beta: beta, bias: bias, rowSums: rowSums,
        usesTF32: usesTF32, batchCount: batchCount, workspace: workspace, stream: stream)
    }
    return isSummed
  }

  /// Copies within the device.
  package func copy(from source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer, bytes: Int) {
    guard bytes > 0 else { return }
    perform { () throws(CUDAError) in
      try driver.check(
        "cuMemcpyDtoD",
        driver.cuMemcpyDtoDAsync(address(destination), address(source), bytes, stream))
    }
  }

  /// Sets all bytes to zero; `bytes` is a multiple of 4.
  package func clear(_ destination: UnsafeMutableRawPointer, bytes: Int) {
    guard bytes > 0 else { return }
    perform { () throws(CUDAError) in
      try driver.check("cuMemsetD32", driver.cuMemsetD32Async(address(destination), 0, bytes / 4, stream))
    }
  }

  private func address(_ pointer: UnsafeRawPointer) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }

  // MARK: Host memory

  /// Copies to the device; the source may change as soon as this returns.
  package func upload(_ source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer, bytes: Int) {
    guard bytes > 0 else { return }
    perform { () throws(CUDAError) in
      // From pageable memory the driver takes a copy before it returns.
      try driver.check("cuMemcpyHtoD", driver.cuMemcpyHtoDAsync(address(destination), source, bytes, stream))
    }
  }

  /// Whole numbers that were uploaded.
  package struct Upload: Sendable {
    package let indices: [Int32]
    /// What a graph copies them from each time it runs, so that others can take their place.
    package let source: HostBuffer?
  }

  /// Uploads whole numbers. A graph copies them from a buffer of its own again each time it runs.
  package func upload(_ indices: [Int32], to destination: UnsafeMutableRawPointer) {
    let bytes = indices.count * MemoryLayout<Int32>.stride
    let (isRecording, isLogged) = state.withLock { ($0.pool.owner != 0, $0.uploads != nil) }
    let source = isRecording ? HostBuffer(driver, context, bytes: bytes) : nil
    if isLogged { state.withLock { $0.uploads?.append(Upload(indices: indices, source: source)) } }
    guard let source else {
      indices.withUnsafeBytes { upload($0.baseAddress!, to: destination, bytes: bytes) }
      return
    }
    source.set(indices)
    upload(source, to: destination)
  }

  /// Copies from a buffer, which must not change before the work is done. A graph copies what the buffer then holds each
  /// time it runs.
  package func upload(_ source: HostBuffer, to destination: UnsafeMutableRawPointer) {
    perform { () throws(CUDAError) in
      try driver.check(
        "cuMemcpyHtoD", driver.cuMemcpyHtoDAsync(address(destination), source.memory, source.bytes, stream))
    }
  }

  /// Host memory that the device copies from by itself.
  package func makeHostBuffer(bytes: Int) -> HostBuffer { HostBuffer(driver, context, bytes: bytes) }

  /// Runs `body` and tells what whole numbers it uploaded, in order.
  package func loggingUploads(_ body: () -> Void) -> [Upload] {
    state.withLock { $0.uploads = [] }
    body()
    return state.withLock { state in
      defer { state.uploads = nil }
      return state.uploads ?? []
    }
  }

  /// Copies from the device once all work is done. Leaves the destination as it is if work has failed.
  package func download(_ source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer, bytes: Int) {
    guard bytes > 0 else { return }
    perform { () throws(CUDAError) in
      try driver.check("cuMemcpyDtoH", driver.cuMemcpyDtoHAsync(destination, address(source), bytes, stream))
      try driver.check("cuStreamSynchronize", driver.cuStreamSynchronize(stream))
    }
  }

  /// Copies several pieces from the device, waiting for it once: they lie one behind the other in the result.
  package func download(_ pieces: [(source: UnsafeRawPointer, bytes: Int)]) -> [UInt8] {
    let total = pieces.reduce(0) { $0 + $1.bytes }
    var result = [UInt8](repeating: 0, count: total)
    guard total > 0 else { return result }
    let staging = stagingBuffer(bytes: total)
    perform { () throws(CUDAError) in
      var offset = 0
      for piece in pieces {
        try driver.check(
          "cuMemcpyDtoH",
          driver.cuMemcpyDtoHAsync(staging.memory + offset, address(piece.source), piece.bytes, stream))
        offset += piece.bytes
      }
      try driver.check("cuStreamSynchronize", driver.cuStreamSynchronize(stream))
      result.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(start: staging.memory, count: total)) }
    }
    return result
  }

  /// Host memory that the device writes by itself, kept for the next download.
  private func stagingBuffer(bytes: Int) -> HostBuffer {
    if let kept = state.withLock({ $0.staging }), kept.bytes >= bytes { return kept }
    let buffer = HostBuffer(driver, context, bytes: max(bytes, 1 << 16))
    state.withLock { $0.staging = buffer }
    return buffer
  }

  /// Waits until all work is done.
  package func synchronize() {
    perform { () throws(CUDAError) in
      try driver.check("cuStreamSynchronize", driver.cuStreamSynchronize(stream))
    }
  }

  /// Throws what went wrong since it was last asked.
  package func check() throws(CUDAError) {
    let failure = state.withLock { state in
      defer { state.failure = nil }
      return state.failure
    }
    if let failure { throw failure }
  }

  // MARK: Graphs

  /// Records the work that `body` launches without doing it; nil if some of it cannot be recorded.
  package func recordGraph(_ body: () -> Void) -> CUDAGraph? {
    let number = state.withLock { state in
      state.lastGraph += 1
      state.pool.addGraph(state.lastGraph)
      state.pool.owner = state.lastGraph
      return state.lastGraph
    }
    // Allocations in between are allowed: blocks stay the graph's.
    let relaxed: Int32 = 2
    perform { () throws(CUDAError) in
      try driver.check("cuStreamBeginCapture", driver.cuStreamBeginCapture(stream, relaxed))
    }
    body()
    var (graph, executable): (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) = (nil, nil)
    let failed = state.withLock { state in
      state.pool.owner = 0
      makeCurrent()
      let status = driver.cuStreamEndCapture(stream, &graph)
      let failed = status != 0 || state.failure != nil || state.neededBytes != nil
      state.failure = nil
      return failed
    }
    defer { if let graph { _ = driver.cuGraphDestroy(graph) } }
    if !failed, driver.cuGraphInstantiateWithFlags(&executable, graph, 0) == 0, let executable {
      return CUDAGraph(self, executable, number: number)
    }
    state.withLock { $0.pool.releaseBlocks(of: number) }
    return nil
  }

  func launchGraph(_ executable: UnsafeMutableRawPointer) {
    perform { () throws(CUDAError) in
      try driver.check("cuGraphLaunch", driver.cuGraphLaunch(executable, stream))
    }
  }

  func destroyGraph(_ executable: UnsafeMutableRawPointer, number: Int) {
    state.withLock { state in
      makeCurrent()
      _ = driver.cuStreamSynchronize(stream)
      _ = driver.cuGraphExecDestroy(executable)
      state.pool.releaseBlocks(of: number)
    }
  }
}
