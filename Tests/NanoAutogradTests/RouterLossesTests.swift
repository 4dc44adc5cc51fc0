import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func routerLosses() {
  let logits = wave([8, 4], frequency: 1.9, scale: 1.5)
  let selection = chosenExperts(logits, .sigmoid)
  let balance = GradientCheck([logits]) { _, v in
    v[0].sequenceBalanceLoss(selection, scoring: .sigmoid, sequenceLength: 4)
  } reference: { x in
    let losses = (0..<2).map { sequence -> Double in
      let rows = sequence * 4..<sequence * 4 + 4
      return (0..<4).reduce(0) { sum, expert in
        let chosen = rows.reduce(0) { count, row in
          count + selection.experts[row * 2..<row * 2 + 2].count { Int($0) == expert }
        }
        let share = rows.reduce(0.0) { sum, row in
          let s = (0..<4).map { Reference.sigmoid(x[0][row * 4 + $0]) }
          return sum + s[expert] / s.reduce(0, +) / 4
        }
        return sum + 4 / (2 * 4) * Double(chosen) * share
      }
    }
    return [losses.reduce(0, +) / 2]
  }
  #expect(balance.worst < 3e-4)
  let z = GradientCheck([logits]) { _, v in
    v[0].routerZLoss()
  } reference: { x in
    let squares = (0..<8).map { row in
      pow(log((0..<4).reduce(0) { $0 + exp(x[0][row * 4 + $1]) }), 2)
    }
    return [squares.reduce(0, +) / 8]
  }
  #expect(z.worst < 2e-4)
}
