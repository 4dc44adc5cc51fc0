internal import Synchronization

/// A trained tensor: a value, an identity that copies keep, and what it is for.
///
/// Two variables of parameters with one identity are one node on a tape, so tying weights is using the
/// same parameter twice.
public struct Parameter: Identifiable, Sendable {
  /// Identity of a parameter, unique in the process.
  public struct ID: Hashable, Sendable {
    private let number: UInt64

    private static let last = Atomic<UInt64>(0)

    /// An identity that no other parameter of the process has.
    public init() { number = ID.last.add(1, ordering: .relaxed).newValue }
  }

  /// What a parameter is for, which decides how an optimizer treats it.
  public enum Role: Hashable, Sendable, Codable {
    /// A matrix, or a stack of `count` equal matrices one above the other, inside the network.
    case hiddenMatrix(count: Int)
    /// The same of the experts of a mixture.
    case expertMatrix(count: Int)
    /// The matrix of a router, rows = experts.
    case router
    /// A table of one row a token or position.
    case embedding
    /// The matrix that makes logits.
    case outputHead
    /// A factor per channel.
    case gain
    /// An offset per channel.
    case bias
    /// Kept with the weights, but changed by the model itself and not trained: a router's selection biases.
    case state
  }

  /// Which parameter it is, whatever its value: copies share it.
  public let id = ID()
  /// What it is for, by which optimizers tell parameters apart.
  public let role: Role
  /// Its numbers.
  public var value: Tensor

  /// A parameter with an identity of its own.
  public init(_ value: Tensor, role: Role) {
    self.value = value
    self.role = role
  }
}

/// The path of a parameter in its model, such as `blocks.0.attention.projection.weight`. Built only where
/// someone wants names.
public struct ParameterName: Sendable {
  /// The dotted path; empty when names are not wanted.
  public let text: String
  private let isWanted: Bool

  /// The top of a model. With `wanted` false all names below stay empty and cost nothing.
  public static func root(wanted: Bool = true) -> ParameterName {
    ParameterName(text: "", isWanted: wanted)
  }

  /// The name of a part.
  public func part(_ name: String) -> ParameterName {
    guard isWanted else { return self }
    return ParameterName(text: text.isEmpty ? name : text + "." + name, isWanted: true)
  }

  /// The name of the part at `index` of a list.
  public func part(_ name: String, _ index: Int) -> ParameterName {
    isWanted ? part(name).part(String(index)) : self
  }
}

/// Anything that holds parameters and shows them, in a fixed order, to a visitor that may change them.
public protocol ParameterContainer: Sendable {
  /// Calls `visit` with the name and value of every parameter, in a fixed order.
  mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void) throws(E)
}

extension ParameterContainer {
  /// All parameters with their names, in order.
  public var namedParameters: [(name: String, parameter: Parameter)] {
    var copy = self
    var result: [(name: String, parameter: Parameter)] = []
    copy.visitParameters(.root()) { name, parameter in result.append((name.text, parameter)) }
    return result
  }

  /// How many numbers are trained; tied parameters count once.
  public var parameterCount: Int {
    var seen: Set<Parameter.ID> = []
    return namedParameters.filter { $0.parameter.role != .state }.reduce(0) { sum, entry in
      seen.insert(entry.parameter.id).inserted ? sum + entry.parameter.value.elementCount : sum
    }
  }
}
