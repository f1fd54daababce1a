#include "summary.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

void summary_write(struct span text, const struct span *sentences, const bool *chosen, size_t count) {
  struct span *lines = agent_allocate(count, sizeof *lines);
  size_t line_count = 0;
  size_t length = 0;
  for (size_t i = 0; i < count; i++) {
    if (!chosen[i]) continue;
    lines[line_count] = text_on_one_line(sentences[i]);
    length += lines[line_count++].length + 1;
  }

  char *summary = agent_allocate(length, 1);
  char *to = summary;
  for (size_t i = 0; i < line_count; i++) {
    if (i > 0) *to++ = ' ';
    memcpy(to, lines[i].at, lines[i].length);
    to += lines[i].length;
  }
  struct span joined = {summary, (size_t)(to - summary)};

  fputs("\"summary\":", stdout);
  json_write_string(joined);
  fputs(",\"sentences\":[", stdout);
  for (size_t i = 0; i < line_count; i++) {
    if (i > 0) putchar(',');
    json_write_string(lines[i]);
  }
  double compression = (double)text_characters(joined) / (double)text_characters(text);
  printf("],\"compression\":%.2f", compression);
}
