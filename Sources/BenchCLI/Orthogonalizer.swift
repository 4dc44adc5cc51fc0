import ArgumentParser
import NanoOptim

/// How a Muon makes updates orthogonal, as a flag names it.
struct Orthogonalizer {
  let orthogonalization: Orthogonalization

  init(_ text: String) throws {
    let parts = text.split(separator: "-", maxSplits: 1).map(String.init)
    let steps = parts.count == 2 ? Int(parts[1]) : nil
    switch (parts.first, steps) {
    case ("quintic", let steps?) where (1...20).contains(steps):
      var iteration = NewtonSchulz.quintic
      iteration.coefficients = Array(repeating: iteration.coefficients[0], count: steps)
      orthogonalization = .newtonSchulz(iteration)
    case ("polar", let steps?) where (1...NewtonSchulz.polarExpress.coefficients.count).contains(steps):
      var iteration = NewtonSchulz.polarExpress
      iteration.coefficients = Array(iteration.coefficients.prefix(steps))
      orthogonalization = .newtonSchulz(iteration)
    case ("convergent", nil) where parts.count == 1: orthogonalization = .newtonSchulz(.convergent)
    case ("exact", nil) where parts.count == 1:
      try Orthogonalization.checkExactIsAvailable()
      orthogonalization = .exact
    default:
      throw ValidationError(
        "unknown orthogonalizer '\(text)'; known: quintic-1 to quintic-20, polar-1 to polar-5, convergent, exact")
    }
  }
}
