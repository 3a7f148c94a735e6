//! Standard output and error: results and diagnostics, kept apart, and safe to look at on a terminal.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal as _, Write};

/// Where a command writes.
pub(crate) struct Console {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    colour: bool,
    reader_gone: bool,
    lost: bool,
}

impl Console {
    /// The process's own. Colour only on a terminal, and not under `NO_COLOR` (no-color.org).
    pub(crate) fn standard() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = io::stdout().is_terminal() && !set("NO_COLOR") && !dumb;
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()), colour)
    }

    pub(crate) fn new(out: Box<dyn Write>, err: Box<dyn Write>, colour: bool) -> Self {
        Self { out, err, colour, reader_gone: false, lost: false }
    }

    /// Whether results may be coloured.
    pub(crate) const fn colour(&self) -> bool {
        self.colour
    }

    /// Whether results could not be written, for another reason than that nobody reads them.
    pub(crate) const fn lost(&self) -> bool {
        self.lost
    }

    /// Writes a result. A reader that has gone is no fault: the judging goes on for the sake of the exit code.
    pub(crate) fn print(&mut self, text: &str) {
        if self.reader_gone || self.lost {
            return;
        }
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.reader_gone = true,
            Err(error) => {
                self.lost = true;
                self.complain(&format!("error: results cannot be written: {error}"));
            }
        }
    }

    /// Writes a diagnostic, one or more lines. Where nobody can be told there is nothing left to do.
    pub(crate) fn complain(&mut self, text: &str) {
        let mut safe = String::new();
        for line in text.lines() {
            safe.push_str(&shown(line));
            safe.push('\n');
        }
        let _ = self.err.write_all(safe.as_bytes());
    }
}

/// An error and all its causes on one line, with its stable code.
pub(crate) fn error_line(error: &dyn std::error::Error, code: &str) -> String {
    let mut line = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(line, ": {cause}");
        source = cause.source();
    }
    format!("{line} ({code})")
}

/// Whether a character would steer a terminal or hide what stands there: controls, direction marks, invisible ones.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A stranger's text, safe to show on one line: treacherous characters are written as `\u{…}`.
pub(crate) fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_treacherous(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    safe
}

/// JSON with the treacherous characters that JSON itself would leave as they are written as `\uXXXX`: the same value.
pub(crate) fn json_shown(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if !is_treacherous(c) {
            safe.push(c);
            continue;
        }
        // They can stand inside of strings only: outside, compact JSON is ASCII without controls.
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelt_out() {
        assert_eq!(shown("公章\u{1b}[2J\u{202e}x\u{7f}\u{9b}\n"), "公章\\u{1b}[2J\\u{202e}x\\u{7f}\\u{9b}\\u{a}");
        assert_eq!(shown("a b　c🀄"), "a b　c🀄");
        let json = serde_json::to_string("a\u{1b}\u{9b}\u{7f}\u{202e}\u{e0041}公").unwrap();
        assert_eq!(json_shown(&json), "\"a\\u001b\\u009b\\u007f\\u202e\\udb40\\udc41公\"");
        let back: String = serde_json::from_str(&json_shown(&json)).unwrap();
        assert_eq!(back, "a\u{1b}\u{9b}\u{7f}\u{202e}\u{e0041}公");
    }

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_fault_and_a_full_disk_is() {
        let err = Kept::default();
        let mut console = Console::new(Box::new(Broken(ErrorKind::BrokenPipe)), Box::new(err.clone()), false);
        console.print("x");
        assert!(!console.lost());
        assert_eq!(*err.0.borrow(), b"");
        let mut console = Console::new(Box::new(Broken(ErrorKind::StorageFull)), Box::new(err.clone()), false);
        console.print("x");
        console.print("x");
        assert!(console.lost());
        assert_eq!(*err.0.borrow(), b"error: results cannot be written: no storage space\n");
    }
}
