public import Foundation

/// What a SentencePiece `.model` file (a protocol buffer) says of its pieces.
public struct SentencePieceModel: Sendable {
  /// How text is taken apart; the number is the file's.
  public enum Algorithm: Int, Sendable {
    case unigram = 1
    case bytePair = 2
  }

  /// A token: its text and what it is worth.
  public struct Piece: Sendable {
    /// The numbers are the file's.
    public enum Kind: Int, Sendable {
      case normal = 1
      case unknown = 2
      case control = 3
      case userDefined = 4
      case unused = 5
      case byte = 6
    }

    /// Its text, with U+2581 for spaces.
    public var text: String
    /// The logarithm of its probability, or the rank of its merge.
    public var score: Float
    /// What the piece is.
    public var kind: Kind

    /// A piece with its text, in which U+2581 stands for a space.
    public init(_ text: String, score: Float, kind: Kind) {
      self.text = text
      self.score = score
      self.kind = kind
    }
  }

  /// By token.
  public var pieces: [Piece]
  /// How text is cut into pieces.
  public var algorithm: Algorithm
  /// The piece that ends a story.
  public var endPiece: String
  /// Whether text reaches the pieces as it is, but for U+2581 in place of spaces, and bytes stand for what no piece has.
  public private(set) var takesTextAsIs = true

  /// A model whose tokens are the positions of its pieces, counted from 0; it ``takesTextAsIs``.
  /// - Parameter endPiece: the text of the piece that ends a story.
  public init(pieces: [Piece], algorithm: Algorithm, endPiece: String) {
    self.pieces = pieces
    self.algorithm = algorithm
    self.endPiece = endPiece
  }

  // MARK: Reading

  /// - Throws: when the bytes are no such model, or its algorithm is neither of the two.
  public init(_ data: Data) throws(TokenizerError) {
    pieces = []
    var algorithm: Algorithm? = .unigram
    endPiece = "</s>"
    var (hasByteFallback, normalizer) = (false, Normalizer())
    var message = ProtocolBufferReader(data)
    while let field = try message.next() {
      switch field.number {
      case 1: pieces.append(try Self.piece(field.data))
      case 2:
        var trainer = ProtocolBufferReader(field.data)
        while let setting = try trainer.next() {
          if setting.number == 3 { algorithm = Algorithm(rawValue: Int(clamping: setting.integer)) }
          if setting.number == 35 { hasByteFallback = setting.integer != 0 }
          if setting.number == 47 { endPiece = String(decoding: setting.data, as: UTF8.self) }
        }
      case 3: try normalizer.read(field.data)
      default: break
      }
    }
    guard let algorithm else {
      throw TokenizerError(description: "the SentencePiece model is neither byte-pair nor unigram")
    }
    self.algorithm = algorithm
    takesTextAsIs = hasByteFallback && normalizer.isIdentity
  }

  /// What is done to text before it is cut into pieces.
  private struct Normalizer {
    private(set) var mapsCharacters = false
    private(set) var addsDummyPrefix = true, removesExtraWhitespace = true, escapesWhitespace = true

    var isIdentity: Bool { !mapsCharacters && !addsDummyPrefix && !removesExtraWhitespace && escapesWhitespace }

    mutating func read(_ data: Data) throws(TokenizerError) {
      var message = ProtocolBufferReader(data)
      while let field = try message.next() {
        switch field.number {
        case 2: mapsCharacters = !field.data.isEmpty
        case 3: addsDummyPrefix = field.integer != 0
        case 4: removesExtraWhitespace = field.integer != 0
        case 5: escapesWhitespace = field.integer != 0
        default: break
        }
      }
    }
  }

  /// Whether the pieces of a text are those of its parts when it is cut before each space that follows another character:
  /// then no merge goes over a cut, and none depends on what lies behind one.
  ///
  /// Only of byte-pair encodings: the sums of a unigram model's scores are rounded, and what lies before a cut decides how.
  var piecesStayInWords: Bool {
    takesTextAsIs && algorithm == .bytePair
      && pieces.allSatisfy { piece in
        let spaces = piece.text.unicodeScalars.map { $0 == " " || $0 == "\u{2581}" }
        return zip(spaces, spaces.dropFirst()).allSatisfy { $0 || !$1 }
      }
  }

  private static func piece(_ data: Data) throws(TokenizerError) -> Piece {
    var piece = Piece("", score: 0, kind: .normal)
    var message = ProtocolBufferReader(data)
    while let field = try message.next() {
      switch field.number {
      case 1: piece.text = String(decoding: field.data, as: UTF8.self)
      case 2: piece.score = Float(bitPattern: UInt32(truncatingIfNeeded: field.integer))
      case 3:
        guard let kind = Piece.Kind(rawValue: Int(clamping: field.integer)) else {
          throw TokenizerError(description: "the SentencePiece model has a piece of unknown kind")
        }
        piece.kind = kind
      default: break
      }
    }
    return piece
  }

  // MARK: Writing

  /// The bytes of a `.model` file that neither normalizes nor adds a space in front.
  public var data: Data {
    var model = ProtocolBufferWriter()
    for piece in pieces {
      var message = ProtocolBufferWriter()
      message.append(1, Data(piece.text.utf8))
      message.append(2, fixed: piece.score.bitPattern)
      message.append(3, UInt64(piece.kind.rawValue))
      model.append(1, message.data)
    }
    func first(_ kind: Piece.Kind) -> Int? { pieces.firstIndex { $0.kind == kind } }
    var trainer = ProtocolBufferWriter()
    trainer.append(3, UInt64(algorithm.rawValue))
    trainer.append(4, UInt64(pieces.count))
    trainer.append(35, 1)  // byte_fallback
    if let unknown = first(.unknown) {
      trainer.append(40, UInt64(unknown))
      trainer.append(45, Data(pieces[unknown].text.utf8))
    }
    if let end = pieces.firstIndex(where: { $0.text == endPiece && $0.kind == .control }) {
      trainer.append(42, UInt64(end))
    }
    trainer.append(47, Data(endPiece.utf8))
    model.append(2, trainer.data)
    var normalizer = ProtocolBufferWriter()
    normalizer.append(1, Data("identity".utf8))
    normalizer.append(3, 0)  // add_dummy_prefix
    normalizer.append(4, 0)  // remove_extra_whitespaces
    normalizer.append(5, 1)  // escape_whitespaces
    model.append(3, normalizer.data)
    return model.data
  }
}

/// Reads the fields of a protocol buffer one after another.
private struct ProtocolBufferReader {
  struct Field {
    let number: Int
    /// Of a varint or a fixed number.
    var integer: UInt64 = 0
    /// Of a string, bytes or a message.
    var data = Data()
  }

  private var rest: Data

  init(_ data: Data) { rest = data }

  mutating func next() throws(TokenizerError) -> Field? {
    guard !rest.isEmpty else { return nil }
    let key = try varint()
    var field = Field(number: Int(clamping: key >> 3))
    switch key & 7 {
    case 0: field.integer = try varint()
    case 1: field.integer = try fixed(8)
    case 2: field.data = try take(Int(clamping: try varint()))
    case 5: field.integer = try fixed(4)
    default: throw Self.damage
    }
    return field
  }

  private static var damage: TokenizerError {
    TokenizerError(description: "not a SentencePiece model, or a truncated one")
  }

  private mutating func take(_ count: Int) throws(TokenizerError) -> Data {
    guard count <= rest.count else { throw Self.damage }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  private mutating func fixed(_ count: Int) throws(TokenizerError) -> UInt64 {
    try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func varint() throws(TokenizerError) -> UInt64 {
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      let byte = try take(1).first!
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
    }
    throw Self.damage
  }
}

private struct ProtocolBufferWriter {
  private(set) var data = Data()

  mutating func append(_ field: UInt64, _ integer: UInt64) {
    appendVarint(field << 3)
    appendVarint(integer)
  }

  mutating func append(_ field: UInt64, fixed bits: UInt32) {
    appendVarint(field << 3 | 5)
    withUnsafeBytes(of: bits.littleEndian) { data.append(contentsOf: $0) }
  }

  mutating func append(_ field: UInt64, _ bytes: Data) {
    appendVarint(field << 3 | 2)
    appendVarint(UInt64(bytes.count))
    data.append(bytes)
  }

  private mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      data.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    data.append(UInt8(rest))
  }
}
