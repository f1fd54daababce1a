#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/*
 * Checking and walking are one and the same: `skip_value` moves over one value and fails at the first mistake. Run over
 * a part of a checked document it never does.
 */
struct reader {
  const char *start;
  const char *at;
  const char *end;
};

static void skip_value(struct reader *reader, int depth);
static struct span decode_string(struct span value);

_Noreturn static void malformed(const struct reader *reader, const char *expected) {
  agent_refuse("The input is not valid JSON: %s expected at byte %zu.", expected, (size_t)(reader->at - reader->start));
}

/* The next byte, or -1 at the end. */
static int peek(const struct reader *reader) {
  return reader->at < reader->end ? (unsigned char)*reader->at : -1;
}

static bool take(struct reader *reader, char wanted) {
  if (peek(reader) != wanted) return false;
  reader->at++;
  return true;
}

static void skip_space(struct reader *reader) {
  while (peek(reader) == ' ' || peek(reader) == '\n' || peek(reader) == '\r' || peek(reader) == '\t') reader->at++;
}

static bool is_hex(int byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static void skip_string(struct reader *reader) {
  if (!take(reader, '"')) malformed(reader, "a string");
  while (!take(reader, '"')) {
    int byte = peek(reader);
    if (byte < 0x20) malformed(reader, "the rest of a string");
    reader->at++;
    if (byte != '\\') continue;

    int escape = peek(reader);
    if (escape <= 0 || strchr("\"\\/bfnrtu", escape) == NULL) malformed(reader, "an escape sequence");
    reader->at++;
    for (int digit = 0; escape == 'u' && digit < 4; digit++) {
      if (!is_hex(peek(reader))) malformed(reader, "a hexadecimal digit");
      reader->at++;
    }
  }
}

static void skip_digits(struct reader *reader) {
  if (peek(reader) < '0' || peek(reader) > '9') malformed(reader, "a digit");
  while (peek(reader) >= '0' && peek(reader) <= '9') reader->at++;
}

static void skip_number(struct reader *reader) {
  take(reader, '-');
  if (!take(reader, '0')) skip_digits(reader);
  if (take(reader, '.')) skip_digits(reader);
  if (take(reader, 'e') || take(reader, 'E')) {
    if (!take(reader, '-')) take(reader, '+');
    skip_digits(reader);
  }
}

static void skip_word(struct reader *reader, const char *word) {
  for (; *word != '\0'; word++) {
    if (!take(reader, *word)) malformed(reader, "true, false or null");
  }
}

static void skip_array(struct reader *reader, int depth) {
  reader->at++;
  skip_space(reader);
  if (take(reader, ']')) return;
  do {
    skip_value(reader, depth);
    skip_space(reader);
  } while (take(reader, ','));
  if (!take(reader, ']')) malformed(reader, "',' or ']'");
}

/* Moves over `"name" :` and answers the name as it was written, with its quotes. */
static struct span skip_name(struct reader *reader) {
  skip_space(reader);
  const char *name = reader->at;
  skip_string(reader);
  struct span written = {name, (size_t)(reader->at - name)};
  skip_space(reader);
  if (!take(reader, ':')) malformed(reader, "':'");
  skip_space(reader);
  return written;
}

static void skip_object(struct reader *reader, int depth) {
  reader->at++;
  skip_space(reader);
  if (take(reader, '}')) return;
  do {
    skip_name(reader);
    skip_value(reader, depth);
    skip_space(reader);
  } while (take(reader, ','));
  if (!take(reader, '}')) malformed(reader, "',' or '}'");
}

static void skip_value(struct reader *reader, int depth) {
  if (depth > JSON_DEPTH_LIMIT) agent_refuse("The input nests deeper than %d levels.", JSON_DEPTH_LIMIT);
  skip_space(reader);
  switch (peek(reader)) {
    case '{': skip_object(reader, depth + 1); break;
    case '[': skip_array(reader, depth + 1); break;
    case '"': skip_string(reader); break;
    case 't': skip_word(reader, "true"); break;
    case 'f': skip_word(reader, "false"); break;
    case 'n': skip_word(reader, "null"); break;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
      skip_number(reader);
      break;
    default: malformed(reader, "a value");
  }
}

struct span json_document(struct span input) {
  struct reader reader = {input.at, input.at, input.at + input.length};
  skip_space(&reader);
  if (peek(&reader) < 0) agent_refuse("The input is empty: send one JSON document.");
  const char *start = reader.at;
  skip_value(&reader, 0);
  struct span value = {start, (size_t)(reader.at - start)};
  skip_space(&reader);
  if (peek(&reader) >= 0) malformed(&reader, "the end of the document");
  return value;
}

/* Compares a name as written with a plain one. Only names that contain an escape need decoding. */
static bool name_is(struct span written, const char *name) {
  struct span bare = {written.at + 1, written.length - 2};
  if (memchr(bare.at, '\\', bare.length) != NULL) bare = decode_string(written);
  return bare.length == strlen(name) && memcmp(bare.at, name, bare.length) == 0;
}

bool json_member(struct span object, const char *name, struct span *value) {
  struct reader reader = {object.at, object.at, object.at + object.length};
  if (!take(&reader, '{')) return false;
  skip_space(&reader);
  if (take(&reader, '}')) return false;

  bool found = false;
  do {
    bool wanted = name_is(skip_name(&reader), name);
    const char *start = reader.at;
    skip_value(&reader, 0);
    if (wanted) {
      *value = (struct span){start, (size_t)(reader.at - start)};
      found = true;
    }
    skip_space(&reader);
  } while (take(&reader, ','));
  return found;
}

static uint32_t hex4(const char *digits) {
  uint32_t code = 0;
  for (int i = 0; i < 4; i++) {
    char digit = digits[i];
    code = code * 16 + (uint32_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
  }
  return code;
}

/* Decodes `\uXXXX`, or two of them that form a surrogate pair. A lone surrogate is no character: U+FFFD stands for it. */
static uint32_t decode_unicode(struct reader *reader) {
  uint32_t code = hex4(reader->at);
  reader->at += 4;
  if (code < 0xD800 || code > 0xDFFF) return code;
  bool paired = code < 0xDC00 && reader->end - reader->at >= 6 && reader->at[0] == '\\' && reader->at[1] == 'u';
  if (!paired) return 0xFFFD;
  uint32_t low = hex4(reader->at + 2);
  if (low < 0xDC00 || low > 0xDFFF) return 0xFFFD;
  reader->at += 6;
  return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

/* `value` is a checked string with its quotes. Decoded text is never longer than what it was written as. */
static struct span decode_string(struct span value) {
  char *decoded = agent_allocate(value.length, 1);
  char *to = decoded;
  struct reader reader = {value.at, value.at + 1, value.at + value.length - 1};
  while (reader.at < reader.end) {
    char byte = *reader.at++;
    if (byte != '\\') {
      *to++ = byte;
      continue;
    }
    switch (byte = *reader.at++) {
      case 'b': *to++ = '\b'; break;
      case 'f': *to++ = '\f'; break;
      case 'n': *to++ = '\n'; break;
      case 'r': *to++ = '\r'; break;
      case 't': *to++ = '\t'; break;
      case 'u': to = text_encode(to, decode_unicode(&reader)); break;
      default: *to++ = byte;
    }
  }
  return (struct span){decoded, (size_t)(to - decoded)};
}

struct span json_required_string(struct span object, const char *name) {
  struct span value;
  if (!json_member(object, name, &value)) agent_refuse("\"%s\" is missing: send {\"%s\": \"…\"}.", name, name);
  if (value.at[0] != '"') agent_refuse("\"%s\" must be a string.", name);
  return decode_string(value);
}

int json_optional_integer(struct span object, const char *name, int fallback, int least, int most) {
  struct span value;
  if (!json_member(object, name, &value) || value.at[0] == 'n') return fallback;

  /* Nine digits fit an int; longer ones, fractions and other types leave `valid` false. */
  int number = 0;
  bool negative = value.at[0] == '-';
  bool valid = value.length > negative && value.length <= 9;
  for (size_t i = negative; valid && i < value.length; i++) {
    valid = value.at[i] >= '0' && value.at[i] <= '9';
    number = number * 10 + (value.at[i] - '0');
  }
  if (negative) number = -number;
  if (!valid || number < least || number > most) {
    agent_refuse("\"%s\" must be a whole number from %d to %d.", name, least, most);
  }
  return number;
}

void json_write_string(struct span text) {
  putchar('"');
  for (size_t i = 0; i < text.length; i++) {
    unsigned char byte = (unsigned char)text.at[i];
    switch (byte) {
      case '"': fputs("\\\"", stdout); break;
      case '\\': fputs("\\\\", stdout); break;
      case '\n': fputs("\\n", stdout); break;
      case '\r': fputs("\\r", stdout); break;
      case '\t': fputs("\\t", stdout); break;
      default:
        if (byte < 0x20) {
          printf("\\u%04x", byte);
        } else {
          putchar(byte);
        }
    }
  }
  putchar('"');
}
