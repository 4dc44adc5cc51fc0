import NanoData
import NanoTestSupport
import Testing

@Test func oneStoryInTenValidatesAndFoldersHaveTheirOwn() throws {
  let folder = try TemporaryFolder()
  let text = (0..<40).map { "Story \($0)." }.joined(separator: "<|endoftext|>")
  let path = try write(text, "train.txt", in: folder)
  func split(_ source: StorySource, _ split: Split) throws -> [String] {
    var result: [String] = []
    try source.forEachStory(of: split) { story, _ in result.append(story) }
    return result
  }
  let single = try StorySource(path)
  #expect(try split(single, .validation) == ["Story 1.", "Story 11.", "Story 21.", "Story 31."])
  #expect(try split(single, .training).count == 36)
  let two = try StorySource(try write("One.<|endoftext|>Two.", "two.txt", in: folder))
  #expect(try split(two, .training) == ["One."] && split(two, .validation) == ["Two."])
  _ = try write("Other.", "valid.txt", in: folder)
  let both = try StorySource(folder.path)
  #expect(try split(both, .validation) == ["Other."])
  #expect(try split(both, .training).count == 40)
}
