/*
 * text-summary-lite: the first sentences of a text. For news and reports, which say the main thing first, that is a
 * baseline that is hard to beat; it costs one pass over the text.
 *
 *   in   {"text": "…", "sentences"?: 3}
 *   out  {"summary", "sentences": ["…"], "compression"}
 *
 * Headings and other lines without an end mark are passed over while there are complete sentences.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/c/agent.h"
#include "../lib/c/json.h"
#include "../lib/c/summary.h"
#include "../lib/c/text.h"

/* Marks the first `wanted` complete sentences; if there are fewer, then the first of the other lines too. */
static bool *choose_lead(const struct span *sentences, size_t count, size_t wanted) {
  bool *chosen = agent_allocate(count, sizeof *chosen);
  for (size_t i = 0; i < count; i++) {
    chosen[i] = wanted > 0 && text_is_complete(sentences[i]);
    wanted -= chosen[i];
  }
  for (size_t i = 0; i < count && wanted > 0; i++) {
    wanted -= !chosen[i];
    chosen[i] = true;
  }
  return chosen;
}

int main(void) {
  struct span task = json_document(agent_input());
  struct span text = json_required_string(task, "text");
  size_t wanted = (size_t)json_optional_integer(task, "sentences", 3, 1, 50);

  size_t count;
  struct span *sentences = text_sentences(text, &count);
  if (count == 0) agent_refuse("\"text\" is empty: there is nothing to summarise.");
  agent_log("Taking the lead out of %zu sentences.", count);

  bool *chosen = choose_lead(sentences, count, wanted);
  putchar('{');
  summary_write(text, sentences, chosen, count);
  puts("}");
  agent_finish();
  return 0;
}
