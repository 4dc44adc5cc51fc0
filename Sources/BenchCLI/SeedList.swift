import ArgumentParser
import Foundation

/// The seeds of a study, as `--seeds` has them.
///
/// A number alone is a count, since one seed has a flag of its own. Counted seeds begin at 11: no settings of ours were
/// chosen with those, but the step where the race ends.
struct SeedList {
  static let help = "Seeds, with each of which every model is trained, as 1337,1,2; or how many, so that 3 is 11,12,13"

  let seeds: [UInt64]

  init(_ seeds: [UInt64]) { self.seeds = seeds }

  /// A count, or seeds separated by commas; of one alone the comma stands behind it.
  init(_ text: String) throws {
    var words = text.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    if words.count > 1 {
      if words.last == "" { words.removeLast() }
      seeds = try words.map { word in
        guard let seed = UInt64(word) else {
          throw ValidationError("seeds is '\(text)', and '\(word)' in it is no seed; write for example 1337,1,2")
        }
        return seed
      }
      return
    }
    guard let count = Int(text), (1...1000).contains(count) else {
      throw ValidationError(
        UInt64(text).map { $0 > 1000 } ?? false
          ? "seeds is \(text), and a number alone is a count, from 1 to 1000; the one seed \(text) is --seed \(text)"
          : "seeds is '\(text)'; it must be a count from 1 to 1000, or seeds separated by commas")
    }
    seeds = (0..<UInt64(count)).map { 11 + $0 }
  }

  /// As it was read: a list, also of one.
  var text: String { seeds.map { "\($0)," }.joined() }
}
