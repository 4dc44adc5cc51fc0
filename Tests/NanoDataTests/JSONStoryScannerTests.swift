import Foundation
import NanoTestSupport
import Testing

@testable import NanoData

private func scanned(_ json: String, isInArray: Bool = true) -> String? {
  var text: [UInt8] = []
  let isRead = Array(json.utf8).withUnsafeBytes { bytes in
    JSONStoryScanner.appendStory(of: bytes, isInArray: isInArray, to: &text)
  }
  if !isRead { #expect(text.isEmpty) }
  return isRead ? String(decoding: text, as: UTF8.self) : nil
}

@Test func commonStoriesAreScanned() {
  for (json, story) in [
    (#"{"text": "A b."}"#, "A b."), (#"{ "story" : "\"\\\/\b\f\n\r\t" }"#, "\"\\/\u{8}\u{C}\n\r\t"),
    (#"{"story":"no","text":"yes"}"#, "yes"), (#"{"text":7,"story":"s"}"#, "s"), (#""alone""#, "alone"),
    (#"{"text":"\u00e9\u8a9E\ud83d\ude42 é語🙂"}"#, "é語🙂 é語🙂"),
    (
      #"{"instruction":{"prompt:":"P \"x\"","words":["a", "b"],"n":[]},"o":{},"n":-0.25,"b":[true,false,null],"story":""}"#,
      ""
    ),
  ] {
    #expect(scanned(json) == story, "\(json)")
  }
  #expect(scanned(#""alone""#, isInArray: false) == nil)
}

/// What is scanned is what a whole parser finds there, in JSON and in what is only similar.
@Test func scannedStoriesAreThoseOfAParser() throws {
  let json = [
    #"{"text": "A b\n\u00e9 \ud83d\ude42", "n": [1, -2.5, 0.13, {"x": null}], "story": "C"}"#,
    #"{"story": "He said \"hi\".", "summary": "s", "ok": true, "tuxt": "E", "deep": [[[{}]]]}"#,
    #"{"text" :"x" , "tex":"y","a":{"text":"z"}}"#,
  ]
  let inserts = Array(#""\{}[],:tfnu0123456789.-+eE /bd8"#.utf8) + [0, 9, 10, 13, 32, 0x7F]
  var generator = SeededGenerator(seed: 11)
  var count = 0
  for _ in 0..<60_000 {
    var bytes = Array(json.randomElement(using: &generator)!.utf8)
    for _ in 0..<Int.random(in: 0..<4, using: &generator) {
      let index = bytes.indices.randomElement(using: &generator)!
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: bytes.remove(at: index)
      case 1: bytes[index] = inserts.randomElement(using: &generator)!
      default: bytes.insert(inserts.randomElement(using: &generator)!, at: index)
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self), let found = scanned(text) else { continue }
    let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    let object = value as? [String: Any]
    #expect(
      (value as? String ?? object?["text"] as? String ?? object?["story"] as? String) == found,
      "\(text.debugDescription)")
    count += 1
  }
  #expect(count > 10_000)
}
