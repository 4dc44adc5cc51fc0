import Foundation
import NanoData
import NanoTestSupport
import Testing

private func goldenModel() throws -> Data { try Fixture.data("sentencepiece/tokenizer.model") }

@Test func piecesAreThoseOfTheFile() throws {
  let model = try SentencePieceModel(goldenModel())
  #expect(model.algorithm == .bytePair)
  #expect(model.pieces.count == 420)
  #expect(model.pieces[0].kind == .unknown && model.pieces[2].kind == .control)
  #expect(model.pieces[2].text == model.endPiece)
  #expect(model.pieces[3].text == "<0x00>" && model.pieces[3].kind == .byte)
  #expect(model.pieces.count { $0.kind == .normal } == 420 - 259)
  let scores = model.pieces.filter { $0.kind == .normal }.map(\.score)
  #expect(zip(scores, scores.dropFirst()).allSatisfy { $0 > $1 })
}

@Test func writtenModelsGiveTheSameTokens() throws {
  struct Golden: Decodable {
    let text: String
    let ids: [Int32]
  }
  let (original, rewritten) = (
    try tokenizer(), try SentencePieceTokenizer(model: SentencePieceModel(goldenModel()).data)
  )
  for golden in try JSONDecoder().decode([Golden].self, from: Fixture.data("sentencepiece/ids.json")) {
    #expect(try rewritten.encode(golden.text) == golden.ids, "\(golden.text)")
    #expect(rewritten.decode(golden.ids) == original.decode(golden.ids))
  }
}

@Test func damagedModelsAreRefused() throws {
  let whole = try goldenModel()
  for data in [whole.dropLast(3), Data([0xFF]), Data([0x0F, 1]), Data(repeating: 0x80, count: 20)] {
    #expect(throws: TokenizerError.self) { try SentencePieceModel(Data(data)) }
  }
}
