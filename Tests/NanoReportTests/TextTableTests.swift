import Foundation
import NanoTraining
import Testing

@testable import NanoReport

@Test func tablesAlign() throws {
  let gpt = try storiesModel("nanogpt", loss: 4, seconds: 50, parameters: 1_000_000)
  let kimi = try storiesModel("nanokimik2", loss: 3, seconds: 100, parameters: 12_000_000)
  let results = try storiesResults([gpt, kimi])
  for table in [StoriesTable.text(results), StoriesTable.losses(results)] {
    let lines = table.split(separator: "\n").drop { !$0.contains("NanoGPT") }
    #expect(Set(lines.map(\.count)).count == 1, "\(table)")
  }
  #expect(StoriesTable.text(results).contains("12,000,000"))
  #expect(StoriesTable.losses(results).contains("- / 8.0000"))
}
