extension PageScript {
  /// What printing needs.
  static let paper = #"""
    // Paper has nothing to press: all is open there.
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      for (const details of closed) details.open = true;
    });
    addEventListener("afterprint", () => {
      for (const details of closed) details.open = false;
    });
    """#
}
