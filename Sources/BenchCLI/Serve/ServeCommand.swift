import ArgumentParser
import Dispatch
import FlyingFox
import FlyingSocks
import Foundation
import NanoTraining

/// `bench-cli serve`: models for programs that speak OpenAI's interface, and a page to try them.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Let other programs, and a page in the browser, write with trained models.",
    discussion: CommandConfiguration.examples(
      "serve", "serve --model runs/latest/nanogpt --model runs/latest/nanokimik2"))

  @Option(
    help: ArgumentHelp(
      "A model folder, as often as there are models (default: the best model of runs/latest).", valueName: "folder"))
  var model: [String] = []

  @Option("The port to listen on; 0 for any that is free", "number")
  var port = 8080

  @Option("The address to listen on; 0.0.0.0 lets other machines in, without a password", "address")
  var host = "127.0.0.1"

  @Option("Completions that each model writes at once", "count")
  var batch = 16

  @Option("Completions of each model that may wait; requests beyond them are refused", "count")
  var queue = 64

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("port is \(port); it must be from 0 to 65535") }
    guard (1...256).contains(batch) else { throw ValidationError("batch is \(batch); it must be from 1 to 256") }
    guard (0...4096).contains(queue) else { throw ValidationError("queue is \(queue); it must be from 0 to 4096") }
  }

  func run() throws {
    var models: [ServedModel] = []
    for given in model.isEmpty ? [nil] : model.map(Optional.some) {
      let folder = try LatestRun.model(given)
      let name = URL(fileURLWithPath: folder).lastPathComponent
      guard !models.contains(where: { $0.name == name }) else {
        throw ValidationError("two models are called '\(name)'; rename one of their folders")
      }
      models.append(
        ServedModel(
          name: name, try ModelFolder.load(folder), limits: CompletionQueue.Limits(batch: batch, queue: queue)))
    }
    guard let address = try? sockaddr_in.inet(ip4: host, port: UInt16(port)) else {
      throw ValidationError("host is '\(host)'; it must be an address such as 127.0.0.1")
    }
    let server = HTTPServer(
      address: address, timeout: 3600, pool: IdleLimit(pool: HTTPServer.defaultPool(), limit: .seconds(60)),
      logger: .disabled,
      handler: CompletionServer(models: models, isLocal: host.hasPrefix("127.")))
    let names = models.map(\.name).joined(separator: ", ")
    Task { [host, port] in
      do {
        try await server.run()
      } catch {
        Terminal.writeError("bench-cli: error: cannot listen on \(host):\(port): \(error.localizedDescription)")
      }
      Foundation.exit(1)
    }
    Task { [host, port] in
      try await server.waitUntilListening()
      var actual = UInt16(port)
      if case .ip4(_, let port)? = await server.listeningAddress { actual = port }
      try Terminal.write("Serving \(names) at http://\(host):\(actual); Ctrl-C ends.\n")
    }
    dispatchMain()
  }
}
