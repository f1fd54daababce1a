/*
 * word-count: how long a text is, and which words it uses most.
 *
 *   in   {"text": "…", "top"?: 10}
 *   out  {"words", "unique_words", "characters", "bytes", "lines", "top_words": [{"word", "count"}, …]}
 *
 * Words are counted by sorting them: equal ones end up side by side. That costs n·log n whatever the text is, where a
 * hash table could be driven into its worst case by a text made for the purpose.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/c/agent.h"
#include "../lib/c/json.h"
#include "../lib/c/text.h"

struct entry {
  struct span word;
  size_t count;
};

/* All words of the text, in lower case, in the order of the text. */
static struct entry *list_words(struct span text, size_t *count) {
  struct entry *entries = NULL;
  size_t capacity = 0;
  *count = 0;
  struct span rest = text_lower(text);
  for (struct span word; text_next_word(&rest, &word);) {
    if (*count == capacity) {
      capacity = capacity > 0 ? capacity * 2 : 1024;
      entries = agent_resize(entries, capacity, sizeof *entries);
    }
    entries[(*count)++] = (struct entry){word, 1};
  }
  return entries;
}

static int by_word(const void *a, const void *b) {
  return text_compare(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

/* Most frequent first, equally frequent ones by alphabet. */
static int by_count(const void *a, const void *b) {
  size_t left = ((const struct entry *)a)->count;
  size_t right = ((const struct entry *)b)->count;
  if (left != right) return left < right ? 1 : -1;
  return by_word(a, b);
}

/* Sorts the entries, makes one of equal ones, and answers how many are left. */
static size_t merge_equal(struct entry *entries, size_t count) {
  if (count == 0) return 0;
  qsort(entries, count, sizeof *entries, by_word);
  size_t last = 0;
  for (size_t i = 1; i < count; i++) {
    if (by_word(&entries[i], &entries[last]) == 0) {
      entries[last].count++;
    } else {
      entries[++last] = entries[i];
    }
  }
  return last + 1;
}

/* Line breaks, and one more for text behind the last of them. */
static size_t count_lines(struct span text) {
  size_t lines = 0;
  for (size_t i = 0; i < text.length; i++) lines += text.at[i] == '\n';
  return lines + (text.length > 0 && text.at[text.length - 1] != '\n');
}

int main(void) {
  struct span task = json_document(agent_input());
  struct span text = json_required_string(task, "text");
  size_t top = (size_t)json_optional_integer(task, "top", 10, 0, 1000);

  size_t words;
  struct entry *entries = list_words(text, &words);
  size_t unique = merge_equal(entries, words);
  if (unique > 0) qsort(entries, unique, sizeof *entries, by_count);
  agent_log("Counted %zu words, %zu of them different.", words, unique);

  printf("{\"words\":%zu,\"unique_words\":%zu,\"characters\":%zu,\"bytes\":%zu,\"lines\":%zu,\"top_words\":[", words,
         unique, text_characters(text), text.length, count_lines(text));
  for (size_t i = 0; i < unique && i < top; i++) {
    fputs(i > 0 ? ",{\"word\":" : "{\"word\":", stdout);
    json_write_string(entries[i].word);
    printf(",\"count\":%zu}", entries[i].count);
  }
  puts("]}");
  agent_finish();
  return 0;
}
