import Foundation
import NanoModels
import Testing

private func parsed(_ text: String) throws -> JSONValue { try JSONValue(parsing: Data(text.utf8)) }

@Test func jsonKeepsApartWhatItKeepsApart() throws {
  let value = try parsed(
    #" {"a": true, "b": 1, "c": 1.0, "d": 1e39, "e": null, "f": "\u00e9\ud83d\ude42\n", "g": [-3, [], {}]} "#)
  let expected: JSONValue = [
    "a": true, "b": 1, "c": .number(1), "d": .number(1e39), "e": nil, "f": "é🙂\n", "g": [-3, [], [:]],
  ]
  #expect(value == expected)
  #expect(try JSONValue(parsing: value.data) == value)
}

@Test func keysAreTheSameWhenTheirBytesAre() throws {
  guard case .object(let object) = try parsed("{\"\u{E9}\": 1, \"e\u{301}\": 2}") else {
    Issue.record("no object")
    return
  }
  #expect(object.members.count == 2)
  #expect(object["e\u{301}"] == 2)
}

@Test(arguments: [
  "", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "{\"a\":1 \"b\":2}", "01", "1.", "1e", "-", "NaN", "Infinity", "1e999",
  "nul", "\"a", "\"\\x\"", "\"\\ud800\"", "\"\\u12\"", "\"\t\"", "1 2", "{\"a\":1,\"a\":2}",
  String(repeating: "[", count: 200) + String(repeating: "]", count: 200),
])
func whatIsNotJSONIsRefused(text: String) {
  #expect(throws: JSONValue.SyntaxError.self) { try parsed(text) }
}

@Test func errorsNameTheLine() {
  #expect { try parsed("{\n\"a\": 1,\n\"a\": 2}") } throws: { "\($0)".contains("line 3: the key 'a'") }
  #expect(throws: JSONValue.SyntaxError.self) { try JSONValue(parsing: Data([0x22, 0xFF, 0x22])) }
}
