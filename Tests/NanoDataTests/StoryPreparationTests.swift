import Dispatch
import Foundation
import NanoData
import NanoTestSupport
import Synchronization
import Testing

@Test func aSplitWithoutStoriesIsNamed() throws {
  let folder = try TemporaryFolder()
  let path = try write("One.<|endoftext|>", "few.txt", in: folder)
  let preparation = StoryPreparation(try StorySource(path), cacheFolder: folder.path + "/cache")
  #expect(try preparation.tokens(of: .training, tokenizer: tokenizer()).header.storyCount == 1)
  #expect {
    try preparation.tokens(of: .validation, tokenizer: tokenizer())
  } throws: {
    "\($0)".contains("few.txt: no story for validation")
  }
}

@Test func tokenFilesRoundTripAndComeFromTheCache() throws {
  let folder = try TemporaryFolder()
  let texts = (0..<50).map { "Kim found a kite, number \($0), near the river. ✓" }
  let path = try write(texts.joined(separator: "<|endoftext|>"), "train.txt", in: folder)
  let tokenizer = try tokenizer()
  let preparation = StoryPreparation(try StorySource(path), cacheFolder: folder.path + "/cache")
  let file = try preparation.tokens(of: .training, tokenizer: tokenizer)
  var expected: [Int32] = []
  let training = texts.enumerated().filter { $0.offset % 10 != 1 }.map(\.element)
  for text in training { expected += try tokenizer.encode(text) + [tokenizer.endOfStory] }
  #expect(file[0..<file.count] == expected)
  #expect(file.header.storyCount == 45)
  #expect(file.header.characterCount == training.reduce(0) { $0 + $1.unicodeScalars.count })
  #expect(file.header.byteCount == training.reduce(0) { $0 + $1.utf8.count })

  let cached = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache")
  #expect(cached.count == 1)
  _ = try preparation.tokens(of: .training, tokenizer: tokenizer)
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache") == cached)
}

/// Whoever comes later waits, and finds what the first one made.
@Test func preparationsAtTheSameTimeShareACache() throws {
  let folder = try TemporaryFolder()
  let texts = (0..<4_000).map { "Kim found a kite, number \($0), near the river." }
  let path = try write(texts.joined(separator: "<|endoftext|>"), "train.txt", in: folder)
  let source = try StorySource(path)
  let cache = folder.path + "/cache"
  try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: false)
  let another = Mutex(FolderLock(cache))
  let waiters = Mutex(0)
  let tokenizers = Mutex(0)
  let tokenizations = Mutex(0)
  let files = Mutex<[TokenFile]>([])
  let ended = DispatchSemaphore(value: 0)
  for _ in 0..<4 {
    Thread.detachNewThread {
      defer { ended.signal() }
      let preparation = StoryPreparation(source, cacheFolder: cache) { stage, share in
        switch stage {
        case .waiting:
          // Until all four wait, the folder is another's.
          let count = waiters.withLock { count in
            count += 1
            return count
          }
          if count == 4 { another.withLock { $0 = nil } }
        case .trainingTokenizer where share == 1: tokenizers.withLock { $0 += 1 }
        case .tokenizing where share == 1: tokenizations.withLock { $0 += 1 }
        default: break
        }
      }
      do {
        let tokenizer = try preparation.tokenizer(model: nil, vocabularySize: 320)
        let file = try preparation.tokens(of: .training, tokenizer: tokenizer)
        files.withLock { $0.append(file) }
      } catch {
        Issue.record(error)
      }
    }
  }
  for _ in 0..<4 { ended.wait() }
  let all = files.withLock { files in files.map { $0[0..<$0.count] } }
  #expect(all.count == 4 && Set(all).count == 1)
  #expect(tokenizers.withLock { $0 } == 1 && tokenizations.withLock { $0 } == 1)
}

/// A cache is made again when it is damaged, tokens and tokenizer alike.
@Test func damagedCachesAreMadeAgain() throws {
  let folder = try TemporaryFolder()
  let texts = (0..<50).map { "Kim found a kite, number \($0), near the river." }
  let path = try write(texts.joined(separator: "<|endoftext|>"), "train.txt", in: folder)
  let cache = folder.path + "/cache"
  func prepare() throws -> (String, [Int32]) {
    let preparation = StoryPreparation(try StorySource(path), cacheFolder: cache)
    let tokenizer = try preparation.tokenizer(model: nil, vocabularySize: 320)
    let file = try preparation.tokens(of: .training, tokenizer: tokenizer)
    return (tokenizer.digest, file[0..<file.count])
  }
  let first = try prepare()
  let files = try FileManager.default.contentsOfDirectory(atPath: cache)
  #expect(Set(files.map { $0.split(separator: ".").last }) == ["tokens", "tokenizer"])
  for name in files {
    let file = URL(fileURLWithPath: cache + "/" + name)
    let whole = try Data(contentsOf: file)
    for share in 1..<12 {
      var flipped = whole
      flipped[whole.count * share / 12] ^= 1
      try flipped.write(to: file)
      #expect(try prepare() == first, "\(name)")
      #expect(try Data(contentsOf: file) == whole, "\(name)")
    }
  }
}

/// Also when the file has its old size and time.
@Test func changedStoriesAreTokenizedAgain() throws {
  let folder = try TemporaryFolder()
  let filler = String(repeating: "Kim found a kite near the river.<|endoftext|>", count: 60_000)
  let path = try write(filler + "abc" + filler, "train.txt", in: folder)
  func hash() throws -> String {
    try StoryPreparation(try StorySource(path), cacheFolder: folder.path + "/cache")
      .tokens(of: .training, tokenizer: tokenizer()).header.sha256
  }
  let before = try hash()
  let attributes = try FileManager.default.attributesOfItem(atPath: path)
  _ = try write(filler + "abd" + filler, "train.txt", in: folder)
  try FileManager.default.setAttributes(
    [.modificationDate: try #require(attributes[.modificationDate])], ofItemAtPath: path)
  #expect(try hash() != before)
}
