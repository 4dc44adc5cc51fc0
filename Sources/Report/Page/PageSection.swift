/// A part of the page under a heading, which the page's navigation names.
struct PageSection {
  var id: String
  var title: String
  var body: HTML

  var html: HTML {
    """
    <section id='\(id)' aria-labelledby='\(id)-title'>
    <h2 id='\(id)-title'>\(title)</h2>
    \(body)
    </section>

    """
  }
}

/// Something that a reader opens.
func details(_ id: String, _ summary: String, isOpen: Bool = false, _ body: HTML) -> HTML {
  "<details id='\(id)'\(isOpen ? " open" : "" as HTML)><summary>\(summary)</summary>\(body)</details>\n"
}

func note(_ text: String) -> HTML { "<p class='note'>\(text)</p>\n" }
