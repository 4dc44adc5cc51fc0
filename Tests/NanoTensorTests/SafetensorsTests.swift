import Foundation
import NanoTensor
import Testing

@Test func damagedSafetensorsAreRefused() {
  func file(_ header: String, bytes: Int) -> Data {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
      + Data(count: bytes)
  }
  let bad = [
    Data([1, 2, 3]),
    Data(repeating: 0xFF, count: 16),
    file("not json", bytes: 0),
    file(#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, bytes: 8),
    file(
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
      bytes: 12),
    // Bytes of no tensor: before one, between two, behind the last, and of one that a second of its name hides.
    file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, bytes: 8),
    file(
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
      bytes: 12),
    file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, bytes: 8),
    file(
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      bytes: 8),
  ]
  for data in bad { #expect(throws: Safetensors.FormatError.self) { try Safetensors.decode(data) } }
}

@Test func sixteenBitSafetensorsAreRead() throws {
  let header =
    #"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}}"#
  let words: [UInt16] = [0x3C00, 0xC100, 0x0001, 0x7C00, 0x3F80, 0xC049]
  let data =
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
    + words.withUnsafeBytes { Data($0) }
  let tensors = try Safetensors.decode(data)
  #expect(tensors["a"]?.scalars == [1, -2.5, 0x1p-24, .infinity])
  #expect(tensors["b"]?.scalars == [1, -3.140625])
}
