internal import CNanoData
internal import Foundation

/// Words and the bytes that belong to each, in bounded memory: a hash table with open addressing.
///
/// When it is full it is emptied; words that are frequent are soon back.
final class WordTable {
  private struct Slot {
    /// The word's hash, and where its record begins, 0 for an empty slot.
    var hash, record: UInt32
  }

  /// Bytes of the longest word that is kept.
  static let longestWord = 255
  /// Lengths of a record's word and value, 16 bits each.
  private static let headerSize = 4

  /// A power of two of them, at least twice as many as words: few while these are few, since memory that is far apart is slow.
  private var slots: UnsafeMutableBufferPointer<Slot>
  private let records: UnsafeMutableRawPointer
  private let recordBytes: Int
  private var wordCount = 0
  private var end = 1

  /// - Parameter recordBytes: of the words and what belongs to them.
  init(recordBytes: Int = 16 << 20) {
    self.recordBytes = recordBytes
    slots = Self.emptySlots(1 << 12)
    // Memory is not touched before it is used.
    records = malloc(recordBytes)
  }

  deinit {
    free(slots.baseAddress)
    free(records)
  }

  private static func emptySlots(_ count: Int) -> UnsafeMutableBufferPointer<Slot> {
    let memory = calloc(count, MemoryLayout<Slot>.stride)!.bindMemory(to: Slot.self, capacity: count)
    return UnsafeMutableBufferPointer(start: memory, count: count)
  }

  /// Asks for memory that looking up a word of this hash will read: where many are asked for first, waiting for it takes less.
  func prefetch(hash: UInt32) { nk_prefetch(slots.baseAddress! + (Int(hash) & (slots.count - 1))) }

  /// What belongs to a word, until the next word is added; nil for a word that is not here.
  func value(of word: UnsafeRawBufferPointer, hash: UInt32) -> UnsafeRawBufferPointer? {
    let slots = slots
    var index = Int(hash) & (slots.count - 1)
    while slots[index].record != 0 {
      if slots[index].hash == hash {
        let record = UnsafeRawPointer(records + Int(slots[index].record))
        let length = Int(record.loadUnaligned(as: UInt16.self))
        if length == word.count, memcmp(record + Self.headerSize, word.baseAddress!, length) == 0 {
          return UnsafeRawBufferPointer(
            start: record + Self.headerSize + length,
            count: Int(record.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
      }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Adds a word that is not here, if it is short enough.
  func add(_ word: UnsafeRawBufferPointer, hash: UInt32, _ value: [UInt8]) {
    let size = Self.headerSize + word.count + value.count
    guard word.count <= Self.longestWord, value.count <= Int(UInt16.max), size < recordBytes else { return }
    if end + size > recordBytes { removeAll() }
    if 2 * (wordCount + 1) > slots.count { grow() }
    insert(Slot(hash: hash, record: UInt32(end)))
    let record = records + end
    record.storeBytes(of: UInt16(word.count), as: UInt16.self)
    record.storeBytes(of: UInt16(value.count), toByteOffset: 2, as: UInt16.self)
    memcpy(record + Self.headerSize, word.baseAddress!, word.count)
    value.withUnsafeBytes { value in
      if let bytes = value.baseAddress { memcpy(record + Self.headerSize + word.count, bytes, value.count) }
    }
    end += size
    wordCount += 1
  }

  private func insert(_ slot: Slot) {
    var index = Int(slot.hash) & (slots.count - 1)
    while slots[index].record != 0 { index = (index + 1) & (slots.count - 1) }
    slots[index] = slot
  }

  private func grow() {
    let old = slots
    slots = Self.emptySlots(2 * old.count)
    for slot in old where slot.record != 0 { insert(slot) }
    free(old.baseAddress)
  }

  private func removeAll() {
    slots.update(repeating: Slot(hash: 0, record: 0))
    (wordCount, end) = (0, 1)
  }

  /// Eight bytes at a time, the last ones again where they are no eight; each step multiplies and mixes.
  static func hash(_ word: UnsafeRawBufferPointer) -> UInt32 {
    func mixed(_ hash: UInt64, _ bits: UInt64) -> UInt64 {
      let product = (hash ^ bits) &* 0x9E37_79B9_7F4A_7C15
      return product ^ product >> 32
    }
    let count = word.count
    var hash = UInt64(truncatingIfNeeded: count)
    if count >= 8 {
      for offset in stride(from: 0, to: count - 8, by: 8) {
        hash = mixed(hash, word.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      }
      hash = mixed(hash, word.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    } else if count >= 4 {
      let first = word.loadUnaligned(as: UInt32.self)
      let last = word.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
      hash = mixed(hash, UInt64(first) | UInt64(last) << 32)
    } else if count > 0 {
      hash = mixed(hash, UInt64(word[0]) | UInt64(word[count / 2]) << 8 | UInt64(word[count - 1]) << 16)
    }
    return UInt32(truncatingIfNeeded: hash)
  }
}
