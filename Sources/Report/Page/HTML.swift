/// A piece of HTML. Text that is interpolated into a literal is escaped, so that nothing from outside becomes markup:
/// names, paths, and what models write.
struct HTML: ExpressibleByStringInterpolation {
  let source: String

  init(stringLiteral value: String) { source = value }

  init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }

  /// Of what is HTML already, such as a script.
  init(verbatim source: String) { self.source = source }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var source = ""

    init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(2 * literalCapacity) }

    mutating func appendLiteral(_ literal: String) { source += literal }

    mutating func appendInterpolation(_ html: HTML) { source += html.source }

    mutating func appendInterpolation(_ parts: [HTML]) {
      for part in parts { source += part.source }
    }

    mutating func appendInterpolation(_ number: some BinaryInteger) { source += String(number) }

    mutating func appendInterpolation(_ text: some StringProtocol) {
      for scalar in text.unicodeScalars {
        switch scalar {
        case "&": source += "&amp;"
        case "<": source += "&lt;"
        case ">": source += "&gt;"
        case "\"": source += "&quot;"
        case "'": source += "&#39;"
        case "\n", "\t": source.unicodeScalars.append(scalar)
        // Control characters, which HTML does not allow.
        case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}": source += "\u{FFFD}"
        default: source.unicodeScalars.append(scalar)
        }
      }
    }
  }
}
