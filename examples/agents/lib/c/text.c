#include "text.h"

#include <ctype.h>
#include <string.h>
#include <wctype.h>

/* Code point at the front of `text`, which must be valid and not empty; `size` becomes its length in bytes. */
static uint32_t decode(struct span text, size_t *size) {
  const unsigned char *at = (const unsigned char *)text.at;
  if (at[0] < 0x80) return *size = 1, at[0];
  if (at[0] < 0xE0) return *size = 2, (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
  if (at[0] < 0xF0) return *size = 3, (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
  return *size = 4, (at[0] & 0x07u) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 | (at[3] & 0x3Fu);
}

/* The code point at the front, or 0 at the end. */
static uint32_t front(struct span text) {
  size_t size;
  return text.length > 0 ? decode(text, &size) : 0;
}

static void drop(struct span *text, size_t bytes) {
  text->at += bytes;
  text->length -= bytes;
}

static uint32_t take(struct span *text) {
  size_t size;
  uint32_t code = decode(*text, &size);
  drop(text, size);
  return code;
}

bool text_is_utf8(struct span text) {
  /* The least code point of each length: what is below was encoded too long. */
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  while (text.length > 0) {
    unsigned char byte = (unsigned char)text.at[0];
    size_t size = byte < 0x80 ? 1 : byte < 0xC0 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF8 ? 4 : 0;
    if (size == 0 || size > text.length) return false;
    for (size_t i = 1; i < size; i++) {
      if (((unsigned char)text.at[i] & 0xC0) != 0x80) return false;
    }
    uint32_t code = decode(text, &size);
    if (code < least[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    drop(&text, size);
  }
  return true;
}

char *text_encode(char *to, uint32_t code) {
  if (code < 0x80) {
    *to++ = (char)code;
    return to;
  }
  if (code < 0x800) {
    *to++ = (char)(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *to++ = (char)(0xE0 | code >> 12);
    } else {
      *to++ = (char)(0xF0 | code >> 18);
      *to++ = (char)(0x80 | (code >> 12 & 0x3F));
    }
    *to++ = (char)(0x80 | (code >> 6 & 0x3F));
  }
  *to++ = (char)(0x80 | (code & 0x3F));
  return to;
}

size_t text_characters(struct span text) {
  size_t count = 0;
  for (size_t i = 0; i < text.length; i++) count += ((unsigned char)text.at[i] & 0xC0) != 0x80;
  return count;
}

/* Space, or what a typesetter puts in its place. */
static bool is_space(uint32_t code) {
  return iswspace((wint_t)code) || code == 0xA0 || code == 0xFEFF;
}

static bool is_digit(uint32_t code) {
  return code >= '0' && code <= '9';
}

static bool is_word_character(uint32_t code) {
  bool accent = code >= 0x300 && code <= 0x36F;
  /* Of each Indian script the sign that joins consonants, which the C library takes for punctuation. */
  bool virama = code >= 0x900 && code < 0xE00 && (code & 0x7F) == 0x4D;
  return iswalnum((wint_t)code) || accent || virama;
}

/* Does `code` belong to a word when it stands between these two? */
static bool joins(uint32_t before, uint32_t code, uint32_t after) {
  if (code == '\'' || code == 0x2019 || code == '-') return is_word_character(after);
  return (code == '.' || code == ',') && is_digit(before) && is_digit(after);
}

bool text_next_word(struct span *rest, struct span *word) {
  while (rest->length > 0 && !is_word_character(front(*rest))) take(rest);
  if (rest->length == 0) return false;

  const char *start = rest->at;
  uint32_t before = 0;
  while (rest->length > 0) {
    struct span behind = *rest;
    uint32_t code = take(&behind);
    if (!is_word_character(code) && !joins(before, code, front(behind))) break;
    before = code;
    *rest = behind;
  }
  *word = (struct span){start, (size_t)(rest->at - start)};
  return true;
}

struct span text_lower(struct span text) {
  /* Some two-byte letters have a three-byte lower case (U+023A), none grows further. */
  char *lower = agent_allocate(text.length * 2, 1);
  char *to = lower;
  while (text.length > 0) {
    uint32_t code = take(&text);
    to = text_encode(to, code == 0x2019 ? '\'' : (uint32_t)towlower((wint_t)code));
  }
  return (struct span){lower, (size_t)(to - lower)};
}

struct span text_on_one_line(struct span text) {
  char *line = agent_allocate(text.length, 1);
  char *to = line;
  while (text.length > 0) {
    uint32_t code = take(&text);
    to = text_encode(to, is_space(code) ? ' ' : code);
    while (is_space(code) && is_space(front(text))) take(&text);
  }
  return (struct span){line, (size_t)(to - line)};
}

int text_compare(struct span a, struct span b) {
  int order = memcmp(a.at, b.at, a.length < b.length ? a.length : b.length);
  if (order != 0) return order;
  return a.length < b.length ? -1 : a.length > b.length;
}

/* One of the `count` sorted words of `list`? */
static bool is_listed(struct span word, const char *const *list, size_t count) {
  size_t low = 0;
  for (size_t high = count; low < high;) {
    size_t middle = (low + high) / 2;
    int order = text_compare((struct span){list[middle], strlen(list[middle])}, word);
    if (order == 0) return true;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

bool text_is_stop_word(struct span word) {
  static const char *const words[] = {
      "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been",
      "before", "being", "but", "by", "can", "could", "did", "do", "does", "down", "during", "each", "even", "every",
      "few", "for", "from", "had", "has", "have", "he", "her", "here", "him", "his", "how", "if", "in", "into", "is",
      "it", "it's", "its", "just", "like", "many", "may", "me", "more", "most", "much", "must", "my", "no", "nor",
      "not", "now", "of", "off", "on", "once", "one", "only", "or", "other", "our", "out", "over", "own", "same",
      "she", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
      "those", "to", "too", "under", "until", "up", "us", "very", "was", "we", "were", "what", "when", "where",
      "which", "while", "who", "whom", "why", "will", "with", "would", "you", "your",
  };
  return word.length == 1 || is_listed(word, words, COUNT(words));
}

static bool is_terminator(uint32_t code) {
  return code == '.' || code == '!' || code == '?' || code == 0x2026 || code == 0x3002 || code == 0xFF01 ||
         code == 0xFF1F;
}

/* Chinese and Japanese put no space behind their terminators. */
static bool needs_no_space(uint32_t terminator) {
  return terminator >= 0x3000;
}

/* A quotation mark or bracket that still belongs to the sentence before it. */
static bool is_closing(uint32_t code) {
  return code == '"' || code == '\'' || code == ')' || code == ']' || code == 0x201D || code == 0x2019 ||
         code == 0xBB || code == 0x300D || code == 0xFF09;
}

/* Does the point at `point` belong to a title or an initial ("Dr. No", "J. Bach", "e.g. this")? */
static bool is_abbreviation_point(const char *start, const char *point) {
  static const char *const titles[] = {"al", "approx", "capt", "cf",   "col", "dr",  "fig", "gen", "lt",
                                       "mr", "mrs",    "ms",   "prof", "rev", "sen", "st",  "vs"};
  char word[8];
  size_t length = 0;
  const char *from = point;
  for (; from > start && length < sizeof word && isalpha((unsigned char)from[-1]); from--) length++;
  bool ends_longer_word = from > start && (isalnum((unsigned char)from[-1]) || (unsigned char)from[-1] >= 0x80);
  if (length == 0 || ends_longer_word) return false;
  for (size_t i = 0; i < length; i++) word[i] = (char)tolower((unsigned char)from[i]);
  return length == 1 || is_listed((struct span){word, length}, titles, COUNT(titles));
}

static bool is_ascii_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Is there nothing but blanks up to the next line break? `rest` starts behind one. */
static bool is_blank_line(struct span rest) {
  for (; rest.length > 0 && is_ascii_space(rest.at[0]); drop(&rest, 1)) {
    if (rest.at[0] == '\n') return true;
  }
  return false;
}

/* Takes one sentence off the front of `rest`, which starts with no white space. */
static struct span take_sentence(struct span *rest) {
  const char *start = rest->at;
  while (rest->length > 0) {
    const char *here = rest->at;
    uint32_t code = take(rest);
    if (code == '\n' && is_blank_line(*rest)) break;
    if (!is_terminator(code)) continue;

    bool lone_point = code == '.' && !is_terminator(front(*rest));
    while (is_terminator(front(*rest))) code = take(rest);
    while (is_closing(front(*rest))) take(rest);
    if (needs_no_space(code) || rest->length == 0) break;
    if (!is_space(front(*rest))) continue;
    if (lone_point && is_abbreviation_point(start, here)) continue;

    struct span next = *rest;
    while (is_space(front(next))) take(&next);
    if (!iswlower((wint_t)front(next))) break;
  }
  struct span sentence = {start, (size_t)(rest->at - start)};
  while (sentence.length > 0 && is_ascii_space(sentence.at[sentence.length - 1])) sentence.length--;
  return sentence;
}

struct span *text_sentences(struct span text, size_t *count) {
  struct span *sentences = NULL;
  size_t capacity = 0;
  *count = 0;
  for (;;) {
    while (text.length > 0 && is_space(front(text))) take(&text);
    if (text.length == 0) return sentences;
    if (*count == capacity) {
      capacity = capacity > 0 ? capacity * 2 : 64;
      sentences = agent_resize(sentences, capacity, sizeof *sentences);
    }
    sentences[(*count)++] = take_sentence(&text);
  }
}

bool text_is_complete(struct span sentence) {
  bool complete = false;
  while (sentence.length > 0) {
    uint32_t code = take(&sentence);
    if (!is_closing(code)) complete = is_terminator(code);
  }
  return complete;
}
