import Foundation
import NanoTestSupport
import Testing

@testable import NanoData

/// Several blocks of a file in each form, whose stories' tokens are those of one story after another, on any number of
/// threads.
@Test func tokenFilesAreTheSameOnAnyNumberOfThreads() throws {
  let folder = try TemporaryFolder()
  let tokenizer = try tokenizer()
  var stories: [String] = []
  for number in 0..<20_000 {
    let more = number % 3 == 0 ? "語" : ""
    stories.append("Kim, \(number % 97), found \(number)  kites near a river.\n\nThen — é — the end of it.\(more)")
  }
  stories.append(String(repeating: "long  story, é\n", count: 150_000) + "end")
  let objects = stories.map { text in
    "{\"n\": [1, {\"x\": null}], \"story\": " + String(decoding: try! JSONEncoder().encode(text), as: UTF8.self) + "}"
  }
  let empty = "{\"text\": \" \\n\"}"
  let files = [
    ("marks.txt", stories.joined(separator: "\n<|endoftext|>\n")),
    ("lines.jsonl", objects.joined(separator: "\n\(empty)\n")),
    ("array.json", "[" + objects.joined(separator: ", ") + ", \(empty)]"),
  ]
  for split in Split.allCases {
    let writer = try TokenFileWriter(folder.path + "/expected", tokenizer: tokenizer)
    for (index, story) in stories.enumerated() where (index % 10 == 1) == (split == .validation) {
      try writer.append(tokenizer.encode(story), of: story)
    }
    try writer.finish()
    let expected = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/expected"))
    for (name, text) in files {
      let source = try StorySource(try write(text, name, in: folder))
      for threadCount in [1, 2, 5] {
        try StoryPreparation(source, cacheFolder: folder.path, threadCount: threadCount)
          .writeTokens(of: split, tokenizer: tokenizer, to: folder.path + "/found")
        let found = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/found"))
        #expect(found == expected, "\(name), \(split), \(threadCount) threads")
      }
    }
  }
}

/// Whichever thread meets one first.
@Test func theFirstErrorInTheFileIsNamed() throws {
  let folder = try TemporaryFolder()
  let filler = String(repeating: "{\"text\": \"Once upon a time.\"}\n", count: 50_000)
  let path = try write(filler + "{\"x\": 1}\n" + filler + "{\"y\": 1}\n" + filler + "[", "lines.jsonl", in: folder)
  for threadCount in [1, 2, 7] {
    #expect {
      try StoryPreparation(try StorySource(path), cacheFolder: folder.path, threadCount: threadCount)
        .writeTokens(of: .training, tokenizer: tokenizer(), to: folder.path + "/found")
    } throws: {
      "\($0)".contains("line 50001 has no 'text'")
    }
  }
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["lines.jsonl"])
}

/// An error behind the first stories, of the tokenizer or of whoever takes the tokens, ends the work.
@Test func errorsOfTakingEndTheWork() throws {
  struct Stop: Error {}
  let folder = try TemporaryFolder()
  let path = try write(String(repeating: "Once upon a time.\n<|endoftext|>", count: 200_000), "marks.txt", in: folder)
  let source = try StorySource(path)
  var taken = 0
  #expect(throws: Stop.self) {
    try source.forEachBlock(of: .training, threadCount: 3) {
      { $0.stories.count }
    } take: { count, _ in
      taken += 1
      if taken == 3 { throw Stop() }
    }
  }
  #expect(taken == 3)
}
