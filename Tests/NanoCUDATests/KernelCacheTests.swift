import Foundation
import NanoTestSupport
import Testing

@testable import NanoCUDA

@Test func keysTellAllInputsApart() {
  let cache = KernelCache(folder: "unused")
  let keys = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["c", "ab"]].map { cache.key(of: $0) }
  #expect(Set(keys).count == keys.count)
  #expect(cache.key(of: ["ab", "c"]) == keys[0])
}

@Test func codeIsKeptAndADamagedFileIsNoCode() throws {
  let folder = try TemporaryFolder()
  let cache = KernelCache(folder: folder.path + "/kernels")
  let (key, code) = (cache.key(of: ["source"]), (0..<1000).map { UInt8($0 % 251) })
  #expect(cache.code(key) == nil)
  cache.store(code, key)
  #expect(cache.code(key) == code)
  let path = folder.path + "/kernels/" + key + ".cubin"
  for damage in [0, 16, 500] {
    var data = try #require(FileManager.default.contents(atPath: path))
    data[damage] ^= 1
    try data.write(to: URL(fileURLWithPath: path))
    #expect(cache.code(key) == nil)
    cache.store(code, key)
  }
  try Data().write(to: URL(fileURLWithPath: path))
  #expect(cache.code(key) == nil)
}

@Test func aFolderThatCannotBeWrittenCostsNothingElse() throws {
  let cache = KernelCache(folder: "/dev/null/kernels")
  cache.store([1, 2, 3], "key")
  #expect(cache.code("key") == nil)
}
