//! Text as people see it: words and sentences.

/// One sentence, or another line that stands alone, such as a heading.
pub struct Sentence<'a> {
    pub text: &'a str,
    /// The first of its paragraph.
    pub opens_paragraph: bool,
    /// Does it end with an end mark? Headings, greetings and captions do not.
    pub is_complete: bool,
}

/// Cuts a text into its sentences, in order. A sentence ends with an end mark or with its paragraph; paragraphs are
/// separated by blank lines.
pub fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut found = Vec::new();
    for paragraph in paragraphs(text) {
        let mut rest = paragraph.trim();
        let mut opens_paragraph = true;
        while !rest.is_empty() {
            let end = end_of_sentence(rest);
            let sentence = rest[..end].trim_end();
            let is_complete = sentence.trim_end_matches(is_closing).ends_with(is_terminator);
            found.push(Sentence { text: sentence, opens_paragraph, is_complete });
            rest = rest[end..].trim_start();
            opens_paragraph = false;
        }
    }
    found
}

/// Lines up to the next one that is blank.
fn paragraphs(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            found.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    found.push(&text[start..]);
    found
}

/// Offset behind the first sentence of `text`.
fn end_of_sentence(text: &str) -> usize {
    let mut rest = text;
    while let Some(mark) = rest.find(is_terminator) {
        let behind = rest[mark..].trim_start_matches(is_terminator);
        let marks = &rest[mark..rest.len() - behind.len()];
        let before = &text[..text.len() - rest.len() + mark];
        rest = behind.trim_start_matches(is_closing);

        let next = rest.trim_start();
        let space_follows = next.len() < rest.len();
        let is_lone_abbreviation = marks == "." && is_abbreviation(before);
        let next_is_lower = next.starts_with(char::is_lowercase);
        if next.is_empty()
            || marks.ends_with(needs_no_space)
            || (space_follows && !next_is_lower && !is_lone_abbreviation)
        {
            return text.len() - rest.len();
        }
    }
    text.len()
}

/// Does the text end with a title or an initial, whose point ends no sentence ("Dr. No", "J. Bach", "e.g. this")?
fn is_abbreviation(text: &str) -> bool {
    const LONGEST: usize = 6;
    const TITLES: [&str; 17] = [
        "al", "approx", "capt", "cf", "col", "dr", "fig", "gen", "lt", "mr", "mrs", "ms", "prof", "rev", "sen", "st",
        "vs",
    ];
    let length = text.chars().rev().take(LONGEST + 1).take_while(|c| c.is_alphanumeric()).count();
    let word: String = text.chars().rev().take(length).flat_map(char::to_lowercase).collect();
    let is_initial = length == 1 && word.starts_with(char::is_alphabetic);
    is_initial || TITLES.iter().any(|title| title.chars().rev().eq(word.chars()))
}

fn is_terminator(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')
}

/// Chinese and Japanese put no space behind their end marks.
fn needs_no_space(c: char) -> bool {
    matches!(c, '。' | '！' | '？')
}

/// A quotation mark or bracket that still belongs to the sentence before it.
fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '）')
}

/// The words of a text in lower case: runs of letters and digits of any script, with apostrophes and hyphens inside.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c| !is_word_character(c) && !is_joiner(c))
        .map(|run| run.trim_matches(is_joiner))
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('’', "'").chars().flat_map(char::to_lowercase).collect())
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\'' | '’' | '-')
}

fn is_word_character(c: char) -> bool {
    let is_accent = ('\u{300}'..='\u{36F}').contains(&c);
    // Of each Indian script the sign that joins consonants, which Unicode does not count as a letter.
    let is_virama = ('\u{900}'..'\u{E00}').contains(&c) && c as u32 & 0x7F == 0x4D;
    c.is_alphanumeric() || is_accent || is_virama
}

/// Does this English word, in lower case, say nothing about the topic?
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok() || word.len() == 1
}

/// Brings the forms of an English word that differ by a plural or possessive together. Crude on purpose: the result is
/// only compared, never shown.
pub fn stem(word: &str) -> String {
    let word = word.strip_suffix("'s").unwrap_or(word);
    match word.strip_suffix("ies") {
        Some(stem) if stem.len() > 2 => format!("{stem}y"),
        _ if word.len() > 3 && !word.ends_with("ss") => word.strip_suffix('s').unwrap_or(word).to_owned(),
        _ => word.to_owned(),
    }
}

/// Sorted, for binary search.
const STOP_WORDS: &[&str] = &[
    "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been",
    "before", "being", "but", "by", "can", "could", "did", "do", "does", "down", "during", "each", "even", "every",
    "few", "for", "from", "had", "has", "have", "he", "her", "here", "him", "his", "how", "if", "in", "into", "is",
    "it", "it's", "its", "just", "like", "many", "may", "me", "more", "most", "much", "must", "my", "no", "nor", "not",
    "now", "of", "off", "on", "once", "one", "only", "or", "other", "our", "out", "over", "own", "same", "she", "so",
    "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to",
    "too", "under", "until", "up", "us", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who",
    "whom", "why", "will", "with", "would", "you", "your",
];
