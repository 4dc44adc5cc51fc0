/// The functions of NVIDIA's driver that are used, under their own names.
struct CUDADriver {
  typealias Status = Int32
  typealias Address = UInt64
  typealias Handle = UnsafeMutableRawPointer

  let cuInit: @convention(c) (UInt32) -> Status
  let cuDriverGetVersion: @convention(c) (UnsafeMutablePointer<Int32>) -> Status
  let cuDeviceGetCount: @convention(c) (UnsafeMutablePointer<Int32>) -> Status
  let cuDeviceGet: @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Status
  let cuDeviceGetName: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Status
  let cuDeviceGetAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Status
  let cuDevicePrimaryCtxRetain: @convention(c) (UnsafeMutablePointer<Handle?>, Int32) -> Status
  let cuCtxSetCurrent: @convention(c) (Handle?) -> Status
  let cuMemGetInfo: @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Status
  let cuMemAlloc: @convention(c) (UnsafeMutablePointer<Address>, Int) -> Status
  let cuMemFree: @convention(c) (Address) -> Status
  let cuMemHostAlloc: @convention(c) (UnsafeMutablePointer<Handle?>, Int, UInt32) -> Status
  let cuMemFreeHost: @convention(c) (Handle?) -> Status
  let cuMemcpyHtoDAsync: @convention(c) (Address, UnsafeRawPointer?, Int, Handle?) -> Status
  let cuMemcpyDtoHAsync: @convention(c) (UnsafeMutableRawPointer?, Address, Int, Handle?) -> Status
  let cuMemcpyDtoDAsync: @convention(c) (Address, Address, Int, Handle?) -> Status
  let cuMemsetD32Async: @convention(c) (Address, UInt32, Int, Handle?) -> Status
  let cuStreamCreate: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32) -> Status
  let cuStreamSynchronize: @convention(c) (Handle?) -> Status
  let cuStreamBeginCapture: @convention(c) (Handle?, Int32) -> Status
  let cuStreamEndCapture: @convention(c) (Handle?, UnsafeMutablePointer<Handle?>) -> Status
  let cuGraphInstantiateWithFlags: @convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UInt64) -> Status
  let cuGraphLaunch: @convention(c) (Handle?, Handle?) -> Status
  let cuGraphExecDestroy: @convention(c) (Handle?) -> Status
  let cuGraphDestroy: @convention(c) (Handle?) -> Status
  let cuModuleLoadData: @convention(c) (UnsafeMutablePointer<Handle?>, UnsafeRawPointer?) -> Status
  let cuModuleGetFunction: @convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UnsafePointer<CChar>) -> Status
  let cuFuncSetAttribute: @convention(c) (Handle?, Int32, Int32) -> Status
  let cuLaunchKernel:
    @convention(c) (
      Handle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle?,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Status
  let cuEventCreate: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32) -> Status
  let cuEventRecord: @convention(c) (Handle?, Handle?) -> Status
  let cuEventSynchronize: @convention(c) (Handle?) -> Status
  let cuEventElapsedTime: @convention(c) (UnsafeMutablePointer<Float>, Handle?, Handle?) -> Status
  let cuGetErrorString: @convention(c) (Status, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Status

  init(in folders: LibraryFolders) throws(CUDAError) {
    let library = try DynamicLibrary(["libcuda.so.1", "libcuda.so"], purpose: "NVIDIA's driver", in: folders)
    cuInit = try library.function("cuInit")
    cuDriverGetVersion = try library.function("cuDriverGetVersion")
    cuDeviceGetCount = try library.function("cuDeviceGetCount")
    cuDeviceGet = try library.function("cuDeviceGet")
    cuDeviceGetName = try library.function("cuDeviceGetName")
    cuDeviceGetAttribute = try library.function("cuDeviceGetAttribute")
    cuDevicePrimaryCtxRetain = try library.function("cuDevicePrimaryCtxRetain")
    cuCtxSetCurrent = try library.function("cuCtxSetCurrent")
    cuMemGetInfo = try library.function("cuMemGetInfo_v2")
    cuMemAlloc = try library.function("cuMemAlloc_v2")
    cuMemFree = try library.function("cuMemFree_v2")
    cuMemHostAlloc = try library.function("cuMemHostAlloc")
    cuMemFreeHost = try library.function("cuMemFreeHost")
    cuMemcpyHtoDAsync = try library.function("cuMemcpyHtoDAsync_v2")
    cuMemcpyDtoHAsync = try library.function("cuMemcpyDtoHAsync_v2")
    cuMemcpyDtoDAsync = try library.function("cuMemcpyDtoDAsync_v2")
    cuMemsetD32Async = try library.function("cuMemsetD32Async")
    cuStreamCreate = try library.function("cuStreamCreate")
    cuStreamSynchronize = try library.function("cuStreamSynchronize")
    cuStreamBeginCapture = try library.function("cuStreamBeginCapture_v2")
    cuStreamEndCapture = try library.function("cuStreamEndCapture")
    cuGraphInstantiateWithFlags = try library.function("cuGraphInstantiateWithFlags")
    cuGraphLaunch = try library.function("cuGraphLaunch")
    cuGraphExecDestroy = try library.function("cuGraphExecDestroy")
    cuGraphDestroy = try library.function("cuGraphDestroy")
    cuModuleLoadData = try library.function("cuModuleLoadData")
    cuModuleGetFunction = try library.function("cuModuleGetFunction")
    cuFuncSetAttribute = try library.function("cuFuncSetAttribute")
    cuLaunchKernel = try library.function("cuLaunchKernel")
    cuEventCreate = try library.function("cuEventCreate")
    cuEventRecord = try library.function("cuEventRecord")
    cuEventSynchronize = try library.function("cuEventSynchronize")
    cuEventElapsedTime = try library.function("cuEventElapsedTime")
    cuGetErrorString = try library.function("cuGetErrorString")
  }

  /// The error of a status that is not 0.
  func error(_ name: String, _ status: Status) -> CUDAError {
    var text: UnsafePointer<CChar>?
    _ = cuGetErrorString(status, &text)
    return .call(name: name, reason: text.map { String(cString: $0) } ?? "status \(status)")
  }

  func check(_ name: String, _ status: Status) throws(CUDAError) {
    if status != 0 { throw error(name, status) }
  }
}
