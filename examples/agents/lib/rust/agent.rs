//! The frame of an agent: read one JSON document from standard input, write one to standard output, exit 0. Every line
//! on standard error becomes a log event of the task. An agent whose input is at fault says why in one sentence and exits
//! 65; one that fails by itself panics or exits 1.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use crate::json::{self, Json};

/// The input is at fault: this does not count as a failure of the agent.
const INPUT_REFUSED: u8 = 65;

/// Runs the agent: `work` turns the task's input into its result, or says in one sentence what is wrong with the input.
pub fn run(work: fn(&Json) -> Result<Json, String>) -> ExitCode {
    let (sentence, code) = match read_input().and_then(|input| work(&json::parse(&input)?)) {
        Ok(result) => match write_output(result) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(sentence) => (sentence, 1),
        },
        Err(sentence) => (sentence, INPUT_REFUSED),
    };
    log(&sentence);
    ExitCode::from(code)
}

/// Writes one line to the task's log.
pub fn log(line: &str) {
    // A log that cannot be written is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

/// To its end, whatever its size. In few steps: what the buffer was before stays unused.
fn read_input() -> Result<String, String> {
    let mut stdin = io::stdin().lock();
    let mut bytes = Vec::new();
    let mut room = 64 << 10;
    loop {
        bytes.reserve_exact(room + SPARE);
        let read = stdin.by_ref().take(room as u64).read_to_end(&mut bytes);
        if read.map_err(|_| "The input could not be read.")? < room {
            break;
        }
        room = 3 * bytes.len();
    }
    String::from_utf8(bytes).map_err(|_| "The input is not valid UTF-8.".into())
}

/// Without it, `read_to_end` would double the buffer to see whether there is more.
const SPARE: usize = 64;

fn write_output(result: Json) -> Result<(), String> {
    let mut text = result.to_string();
    text.push('\n');
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|_| "The output could not be written.".into())
}
