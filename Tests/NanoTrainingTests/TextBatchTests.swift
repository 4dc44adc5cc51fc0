import NanoData
import NanoModels
import NanoTensor
import Testing

@testable import NanoTraining

/// A text with what it comes to alone.
private struct Expected {
  let prompt: [Int32]
  let count: Int
  let text: [Int32]

  init(_ prompt: [Int32], _ count: Int, seed: UInt64, _ model: Decoder, usesCache: Bool) throws {
    (self.prompt, self.count) = (prompt, count)
    var generator = TextGenerator(generator: RandomGenerator(seed: seed))
    generator.usesCache = usesCache
    text = try generator.generate(count, after: prompt, from: model)
  }
}

/// More texts than places, of prompts that one step does not read, with one that leaves in the middle.
private func expectTextsAsAlone(_ model: Decoder, usesCache: Bool) throws {
  let tokens = (0..<40).flatMap { batch($0).inputs }
  let expected = try [(1, 12), (600, 5), (3, 30), (270, 20), (9, 1), (1, 25), (40, 7)].enumerated().map {
    try Expected(
      Array(tokens[$0 * 20..<$0 * 20 + $1.0]), $1.1, seed: UInt64($0), model, usesCache: usesCache)
  }
  let texts = TextBatch(of: model, placeCount: 3, usesCache: usesCache)
  var generators = expected.indices.map { RandomGenerator(seed: UInt64($0)) }
  var (next, made) = (0, expected.map { _ in [Int32]() })
  var places = [Int?](repeating: nil, count: 3)
  func end(_ place: Int) {
    texts.end(at: place)
    places[place] = nil
  }
  while next < expected.count || !texts.isEmpty {
    while let place = texts.freePlace, next < expected.count {
      texts.begin(expected[next].prompt, at: place)
      places[place] = next
      next += 1
    }
    for (place, logits) in texts.logits() {
      let text = places[place]!
      let token = try Sampler().draw(from: logits, seen: [], using: &generators[text])
      made[text].append(token)
      // The third goes away.
      if made[text].count == expected[text].count || text == 2 && made[text].count == 8 {
        end(place)
      } else {
        texts.append(token, at: place)
      }
    }
  }
  for (index, expected) in expected.enumerated() {
    #expect(made[index] == (index == 2 ? Array(expected.text.prefix(8)) : expected.text), "\(index)")
  }
}

@Test func textsThatJoinAndLeaveAreThoseWrittenAlone() throws {
  try expectTextsAsAlone(smallKimi { $0.contextLength = 640 }, usesCache: true)
  try expectTextsAsAlone(smallBest(), usesCache: true)
  try expectTextsAsAlone(smallGPT(), usesCache: false)
}
