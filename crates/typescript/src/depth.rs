//! Refuses source that is nested too deeply for the compiler's stack, before the compiler sees it.
//!
//! In: source text. Out: the place where it becomes too deep, if any. Not here: any judgement about correctness.
//!
//! Every stage of oxc recurses over the syntax tree and none counts, so `((((…` ends the process. What costs stack is
//! not only brackets: `a=>a=>a`, `!!!!x`, `if(a)if(b)`, `else if` and `a+b+c` all build a tree as deep as they are
//! long. So this scan estimates the depth from the tokens: a bracket counts until it is closed, an operator or keyword
//! until the statement, list element or bracket around it ends. The estimate errs upwards, by weights measured on an
//! optimised oxc 0.146 with every construct in `tests/depth.rs`; a unit is about 256 bytes of stack.
//!
//! Telling a regular expression from a division needs the whole grammar in rare cases (`}` followed by `/`), and text
//! in JSX looks like code. Source made to deceive the scan can therefore still overflow the stack. That hits the guard
//! page below it and kills this process, which is why the compiler runs inside the sandbox; it is never memory-unsafe.

/// Units of depth that are accepted: 1000 brackets or 16 000 links of a member, call or operator chain.
/// At most 4 MiB of the stack by the measurements, a quarter of what there is.
const LIMIT: u32 = 16_000;

pub(crate) const MESSAGE: &str =
    "nested too deeply to be compiled (about 1000 brackets, or 16000 operators in one statement)";

/// A bracket, `=>`, generic arguments or a JSX element: a recursive call of the parser through all precedences.
const HEAVY: u32 = 16;
/// An assignment or a conditional.
const MIDDLING: u32 = 8;
/// A keyword, a label, `**`.
const KEYWORD: u32 = 4;
/// Any other operator, and a call or an index once it is closed.
const LIGHT: u32 = 1;

/// What `<` may mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    TypeScript,
    TypeScriptAndJsx,
}

/// What came before, as far as it decides what `/`, `{` and a new line mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    /// A statement may start here: the file, `;`, `{`.
    Start,
    /// `else`, `do`, `=>`, or the `)` of `if (…)`: a statement or block follows.
    Head,
    /// An expression must follow.
    Operator,
    /// `.`: a name follows, keyword or not.
    Dot,
    /// An expression may have ended.
    Operand,
    /// `}` of a block, function or class.
    Block,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    File,
    Round,
    /// The round bracket of `if`, `for`, `while`, `with`.
    Head,
    Square,
    Block,
    Object,
    /// `${` in a template.
    Template,
}

/// One open bracket and what has been counted inside it since the last separator.
struct Level {
    opened: Opened,
    /// Keywords of statements: until the statement ends.
    statements: u32,
    /// `statements` of the statement that just ended, in case `else` follows.
    ended: u32,
    /// Generic arguments: until closed, or the statement ends.
    angles: u32,
    /// JSX elements: until closed.
    elements: u32,
    /// Everything else: until a comma.
    operators: u32,
}

impl Level {
    fn new(opened: Opened) -> Self {
        Self { opened, statements: 0, ended: 0, angles: 0, elements: 0, operators: 0 }
    }

    fn sum(&self) -> u32 {
        self.statements + self.angles + self.elements + self.operators
    }

    fn end_element(&mut self) {
        self.operators = 0;
    }

    fn end_statement(&mut self) {
        self.ended = self.statements;
        self.statements = 0;
        self.angles = 0;
        self.operators = 0;
    }
}

/// The byte offset at which `source` exceeds the accepted depth.
pub(crate) fn too_deep_at(source: &str, syntax: Syntax) -> Option<usize> {
    Scan {
        bytes: source.as_bytes(),
        jsx: syntax == Syntax::TypeScriptAndJsx,
        at: 0,
        outer: Vec::new(),
        outer_sum: 0,
        level: Level::new(Opened::File),
        previous: Previous::Start,
        head: false,
    }
    .run()
}

struct Scan<'s> {
    bytes: &'s [u8],
    jsx: bool,
    at: usize,
    /// The levels around `level`, outermost first, and the sum of their units and brackets.
    outer: Vec<Level>,
    outer_sum: u32,
    level: Level,
    previous: Previous,
    /// Whether the previous word opens a head: `if`, `for`, `while`, `with`.
    head: bool,
}

impl Scan<'_> {
    fn run(mut self) -> Option<usize> {
        if self.bytes.starts_with(b"#!") {
            self.skip_line();
        }
        let mut new_line = false;
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            match byte {
                b'\n' => {
                    new_line = true;
                    self.at += 1;
                    continue;
                }
                b'/' if self.peek(1) == Some(b'/') => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.peek(1) == Some(b'*') => {
                    self.skip_comment();
                    continue;
                }
                _ if byte.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                // The apostrophe of "it's" in JSX text.
                b'\'' if self.jsx && self.previous == Previous::Operand && self.after_word() => self.at += 1,
                b'"' | b'\'' => {
                    self.maybe_new_statement(new_line, None);
                    self.skip_quoted(byte);
                    self.previous = Previous::Operand;
                }
                b'`' => {
                    self.at += 1;
                    self.template();
                }
                _ if is_word(byte) || byte == b'#' || byte == b'@' => self.word(new_line),
                b'(' | b'[' | b'{' => self.open(byte),
                b')' | b']' | b'}' => self.close(),
                b'/' if !matches!(self.previous, Previous::Operand) && !self.ends_element() => self.skip_regex(),
                _ => self.operator(byte),
            }
            new_line = false;
            if self.outer_sum + self.level.sum() > LIMIT {
                return Some(start);
            }
        }
        None
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn open(&mut self, byte: u8) {
        let opened = match byte {
            b'(' if self.head => Opened::Head,
            b'(' => Opened::Round,
            b'[' => Opened::Square,
            _ if self.previous == Previous::Operator => Opened::Object,
            _ => Opened::Block,
        };
        self.at += 1;
        self.push(opened);
    }

    fn push(&mut self, opened: Opened) {
        if opened == Opened::Block && self.previous == Previous::Block {
            self.level.end_statement();
        }
        let outer = std::mem::replace(&mut self.level, Level::new(opened));
        self.outer_sum += outer.sum() + HEAVY;
        self.outer.push(outer);
        self.head = false;
        self.previous = if opened == Opened::Block { Previous::Start } else { Previous::Operator };
    }

    fn close(&mut self) {
        self.at += 1;
        self.head = false;
        let Some(outer) = self.outer.pop() else { return }; // a syntax error, for the parser to tell
        self.outer_sum -= outer.sum() + HEAVY;
        let closed = std::mem::replace(&mut self.level, outer).opened;
        self.previous = match closed {
            Opened::Head => Previous::Head,
            Opened::Block => Previous::Block,
            _ => Previous::Operand,
        };
        if matches!(closed, Opened::Round | Opened::Square) {
            self.level.operators += LIGHT;
        }
        if closed == Opened::Template {
            self.template();
        }
    }

    /// The text of a template, up to its end or the next `${`.
    fn template(&mut self) {
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'`' => break,
                b'$' if self.peek(0) == Some(b'{') => {
                    self.at += 1;
                    return self.push(Opened::Template);
                }
                _ => {}
            }
        }
        self.head = false;
        self.previous = Previous::Operand;
        self.level.operators += LIGHT; // a tagged template is a call
    }

    fn word(&mut self, new_line: bool) {
        let start = self.at;
        self.at += 1;
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        let word = self.bytes.get(start..self.at).unwrap_or_default();
        self.head = false;
        if self.previous == Previous::Dot {
            self.previous = Previous::Operand;
            return;
        }
        if matches!(word, b"else" | b"while") && self.previous == Previous::Start {
            self.level.statements = self.level.statements.max(self.level.ended);
        } else {
            self.maybe_new_statement(new_line, Some(word));
        }
        self.previous = match word {
            b"if" | b"for" | b"while" | b"with" => {
                self.level.statements += KEYWORD;
                self.head = true;
                Previous::Head
            }
            b"else" | b"do" => {
                self.level.statements += KEYWORD;
                Previous::Head
            }
            b"try" | b"finally" => Previous::Head,
            b"case" | b"default" => {
                self.level.end_statement();
                Previous::Operator
            }
            b"return" | b"throw" | b"of" => Previous::Operator,
            b"await" if self.level.statements > 0 && self.bytes.get(..start).is_some_and(ends_with_for) => {
                self.head = true; // `for await (`
                Previous::Head
            }
            b"typeof" | b"void" | b"delete" | b"await" | b"yield" | b"new" | b"in" | b"instanceof" | b"as"
            | b"satisfies" | b"keyof" | b"readonly" | b"unique" | b"infer" | b"is" | b"asserts" | b"extends" => {
                self.level.operators += KEYWORD;
                Previous::Operator
            }
            _ => Previous::Operand,
        };
    }

    /// Ends the statement before a token that cannot continue it: semicolons may be left out before a new line, and
    /// there is none after a block.
    fn maybe_new_statement(&mut self, new_line: bool, word: Option<&[u8]>) {
        let ended = match self.previous {
            Previous::Block => true,
            Previous::Operand => new_line,
            _ => false,
        };
        let continues = word.is_some_and(|word| {
            matches!(
                word,
                b"else"
                    | b"while"
                    | b"catch"
                    | b"finally"
                    | b"in"
                    | b"instanceof"
                    | b"as"
                    | b"satisfies"
                    | b"is"
                    | b"of"
                    | b"extends"
                    | b"implements"
            )
        });
        if ended && !continues {
            self.level.end_statement();
        }
    }

    fn operator(&mut self, byte: u8) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = OPERATORS
            .iter()
            .filter(|operator| self.jsx || !matches!(**operator, b"</" | b"/>"))
            .find(|operator| rest.starts_with(operator))
            .map_or(1, |operator| operator.len());
        let operator = rest.get(..length).unwrap_or_default();
        let glued = self.after_word();
        self.at += length;
        let was = self.previous;
        self.head = false;
        self.previous = Previous::Operator;
        match operator {
            b";" => {
                self.level.end_statement();
                self.previous = Previous::Start;
            }
            b"," => self.level.end_element(),
            b"." | b"?." => {
                self.level.operators += LIGHT;
                self.previous = Previous::Dot;
            }
            b"++" | b"--" => {
                self.level.operators += LIGHT;
                self.previous = was;
            }
            b"!" => {
                self.level.operators += LIGHT;
                if was == Previous::Operand {
                    self.previous = was; // `x!`, or the start of `!=`, which is an operator of its own
                }
            }
            b"=>" => {
                self.level.operators += HEAVY;
                self.previous = Previous::Head;
            }
            b"</" | b"/>" if self.jsx => {
                self.level.elements = self.level.elements.saturating_sub(HEAVY);
                self.level.operators += LIGHT;
                self.previous = if byte == b'/' { Previous::Operand } else { Previous::Operator };
            }
            b"<" => {
                // `<a>` rather than `Array<a>` or `a < b`.
                if self.jsx && !glued && self.peek(0).is_some_and(|next| is_word(next) || next == b'>') {
                    self.level.elements += HEAVY;
                }
                self.level.angles += HEAVY;
            }
            b">" | b">>" | b">>>" => {
                let closed = HEAVY * u32::try_from(length).unwrap_or(1);
                self.level.angles = self.level.angles.saturating_sub(closed);
                self.level.operators += LIGHT;
            }
            b"=" if self.jsx && glued && self.peek(0).is_some_and(|next| matches!(next, b'"' | b'\'' | b'{')) => {
                self.level.operators += LIGHT; // an attribute
            }
            b"?" => self.level.operators += MIDDLING,
            b":" | b"**" => self.level.operators += KEYWORD,
            b"===" | b"!==" | b"==" | b"!=" | b"<=" | b">=" => self.level.operators += LIGHT,
            _ if operator.ends_with(b"=") => self.level.operators += MIDDLING,
            _ => self.level.operators += LIGHT,
        }
    }

    /// Whether nothing separates this byte from a word before it.
    fn after_word(&self) -> bool {
        self.at.checked_sub(1).and_then(|before| self.bytes.get(before)).is_some_and(|byte| is_word(*byte))
    }

    /// Whether this `/` belongs to `/>`.
    fn ends_element(&self) -> bool {
        self.jsx && self.peek(1) == Some(b'>')
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn skip_comment(&mut self) {
        self.at += 2;
        while self.peek(0).is_some() && !(self.peek(0) == Some(b'*') && self.peek(1) == Some(b'/')) {
            self.at += 1;
        }
        self.at += 2;
    }

    /// A string ends with its quote; without one, at the end of the line.
    fn skip_quoted(&mut self, quote: u8) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                // A line may continue behind `\`, and `\` may stand before `\r\n`.
                b'\\' if self.peek(0) == Some(b'\r') => self.at += 2,
                b'\\' => self.at += 1,
                b'\n' => return,
                _ if byte == quote => return,
                _ => {}
            }
        }
    }

    fn skip_regex(&mut self) {
        self.at += 1;
        let mut class = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => break,
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => {
                    self.at += 1;
                    break;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.head = false;
        self.previous = Previous::Operand;
    }
}

/// Longest first. What is not listed is one byte long.
const OPERATORS: [&[u8]; 35] = [
    b">>>=", b"...", b"===", b"!==", b"**=", b"<<=", b">>=", b">>>", b"&&=", b"||=", b"??=", b"=>", b"==", b"!=",
    b"<=", b">=", b"&&", b"||", b"??", b"?.", b"++", b"--", b"+=", b"-=", b"*=", b"/=", b"%=", b"&=", b"|=", b"^=",
    b"**", b"<<", b">>", b"</", b"/>",
];

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'\\') || byte >= 0x80
}

fn ends_with_for(before: &[u8]) -> bool {
    before.trim_ascii_end().ends_with(b"for")
}
