//! text-summary: the most informative sentences of a text, in the order of the text.
//!
//! ```text
//! in   {"text": "…", "sentences"?: 3}
//! out  {"summary": "…", "sentences": ["…"], "compression": 0.23}
//! ```
//!
//! A sentence scores by the words it uses, the frequent words of the text weighing most (H. P. Luhn, 1958), and by
//! where it stands and whether it takes up the title (H. P. Edmundson, 1969). The best ones are taken, except for those
//! that mostly repeat one already taken.

#[path = "../lib/rust/agent.rs"]
mod agent;
#[path = "../lib/rust/json.rs"]
mod json;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use json::Json;
use text::Sentence;

/// Scores are means over at least so many words, or "Taxes!" would beat every sentence about taxes.
const LEAST_WORDS: usize = 5;
/// Two sentences that share this part of the shorter one's words say the same.
const SAME_CONTENT: f64 = 0.7;

fn main() -> ExitCode {
    agent::run(summarise)
}

fn summarise(task: &Json) -> Result<Json, String> {
    let text = task.required_string("text")?;
    let wanted = task.optional_integer("sentences", 3, 1, 50)? as usize;

    let sentences = text::sentences(text);
    if sentences.is_empty() {
        return Err("\"text\" is empty: there is nothing to summarise.".into());
    }
    agent::log(&format!("Scoring {} sentences.", sentences.len()));

    let vocabulary = Vocabulary::of(&sentences);
    let chosen = choose(&sentences, &vocabulary, wanted);
    let lines: Vec<String> = chosen.iter().map(|&i| on_one_line(sentences[i].text)).collect();
    let summary = lines.join(" ");
    let hundredths = (summary.chars().count() * 100 + text.chars().count() / 2) / text.chars().count();
    Ok(Json::object([
        ("summary", Json::from(summary.as_str())),
        ("sentences", lines.iter().map(|line| Json::from(line.as_str())).collect::<Vec<_>>().into()),
        ("compression", Json::Number(format!("{}.{:02}", hundredths / 100, hundredths % 100))),
    ]))
}

/// Words that say something about the topic, numbered, so that sentences can be compared quickly.
struct Vocabulary {
    /// By word: its occurrences in the text over those of the most frequent one, more if the title has it.
    weights: Vec<f64>,
    /// By sentence: the different words in it.
    words: Vec<BTreeSet<usize>>,
}

impl Vocabulary {
    fn of(sentences: &[Sentence]) -> Vocabulary {
        let mut numbers = BTreeMap::new();
        let mut counts: Vec<usize> = Vec::new();
        let mut words = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            let mut used = BTreeSet::new();
            for word in text::words(sentence.text).filter(|word| !text::is_stop_word(word)) {
                let number = *numbers.entry(text::stem(&word)).or_insert(counts.len());
                if number == counts.len() {
                    counts.push(0);
                }
                counts[number] += 1;
                used.insert(number);
            }
            words.push(used);
        }

        let most = counts.iter().copied().max().unwrap_or(1) as f64;
        let mut weights: Vec<f64> = counts.iter().map(|&count| count as f64 / most).collect();
        // A first line without an end mark is the title: its words name the topic.
        if !sentences[0].is_complete {
            words[0].iter().for_each(|&word| weights[word] += 0.5);
        }
        Vocabulary { weights, words }
    }
}

/// Indexes of the chosen sentences, in the order of the text.
fn choose(sentences: &[Sentence], vocabulary: &Vocabulary, wanted: usize) -> Vec<usize> {
    let scores: Vec<f64> = (0..sentences.len()).map(|i| score(sentences, vocabulary, i)).collect();
    let mut ranking: Vec<usize> = (0..sentences.len()).collect();
    // The sort is stable: of equal ones the earlier wins.
    ranking.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));

    let mut chosen: Vec<usize> = Vec::new();
    for candidate in ranking {
        if chosen.len() == wanted {
            break;
        }
        let words = &vocabulary.words[candidate];
        if !chosen.iter().any(|&other| overlap(words, &vocabulary.words[other]) >= SAME_CONTENT) {
            chosen.push(candidate);
        }
    }
    chosen.sort_unstable();
    chosen
}

fn score(sentences: &[Sentence], vocabulary: &Vocabulary, i: usize) -> f64 {
    let words = &vocabulary.words[i];
    let weight: f64 = words.iter().map(|&word| vocabulary.weights[word]).sum();
    let mean = weight / words.len().max(LEAST_WORDS) as f64;
    let position = match i {
        0 => 1.5,
        1 | 2 => 1.25,
        _ if i + 1 == sentences.len() => 1.2,
        _ if sentences[i].opens_paragraph => 1.15,
        _ => 1.0,
    };
    // Headings are a last resort.
    let form = if sentences[i].is_complete { 1.0 } else { 0.1 };
    mean * position * form
}

/// Shared words over the words of the shorter one.
fn overlap(a: &BTreeSet<usize>, b: &BTreeSet<usize>) -> f64 {
    a.intersection(b).count() as f64 / a.len().min(b.len()).max(1) as f64
}

fn on_one_line(sentence: &str) -> String {
    sentence.split_whitespace().collect::<Vec<_>>().join(" ")
}
