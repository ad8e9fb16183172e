//! Finds the commands of a page: the blocks that are marked `sh`, `console` or `toml`.

/// Something that a reader of the page does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// The line of the page, counted from 1.
    pub(crate) line: usize,
    /// What is typed: one command of a `console` block, all of a `sh` block.
    pub(crate) command: String,
    /// What the page shows of its output; none where it shows no output.
    pub(crate) shown: Option<Vec<String>>,
    /// The content of the experiment file that the command names, where the page shows one before it.
    pub(crate) file: Option<String>,
}

/// The steps of a page, in their order.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut file = None;
    for block in blocks(page) {
        match block.kind {
            "sh" => {
                let command = block.lines.join("\n");
                steps.push(Step { line: block.line, command, shown: None, file: file.take() });
            }
            "console" => steps.extend(console(&block)),
            "toml" => file = Some(block.lines.join("\n")),
            _ => {}
        }
    }
    steps
}

/// A fenced block.
struct Block<'a> {
    kind: &'a str,
    /// The line of the page with the first line of the block.
    line: usize,
    lines: Vec<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (place, text) in page.lines().enumerate() {
        match (text.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(kind), None) => open = Some(Block { kind: kind.trim(), line: place + 2, lines: Vec::new() }),
            (None, Some(block)) => block.lines.push(text),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of the page has no end");
    blocks
}

/// The commands of a `console` block, which begin with `$ `; what follows each is its output.
fn console(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (place, text) in block.lines.iter().enumerate() {
        let line = block.line + place;
        match (text.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { line, command: command.to_owned(), shown: Some(Vec::new()), file: None });
            }
            (None, Some(step)) => step.shown.get_or_insert_default().push((*text).to_owned()),
            (None, None) => panic!("line {line} of the page: expected a command that begins with `$ `"),
        }
    }
    steps
}

#[test]
fn steps_are_found_in_their_order() {
    let page =
        "Text\n\n```toml\nname = \"x\"\n```\n```sh\nexport A=1\na x.toml\n```\n```console\n$ b\none\n\ntwo\n$ c\n```\n";
    let step = |line, command: &str, shown: Option<&[&str]>, file: Option<&str>| Step {
        line,
        command: command.to_owned(),
        shown: shown.map(|shown| shown.iter().map(|&text| text.to_owned()).collect()),
        file: file.map(str::to_owned),
    };
    let expected = [
        step(7, "export A=1\na x.toml", None, Some("name = \"x\"")),
        step(11, "b", Some(&["one", "", "two"]), None),
        step(15, "c", Some(&[]), None),
    ];
    assert_eq!(steps(page), expected);
}
