/*
 * keyword-summary: the sentences that cover a text's keywords best, and the keywords.
 *
 *   in   {"text": "…", "sentences"?: 3, "keywords"?: 8}
 *   out  {"summary", "sentences": ["…"], "compression", "keywords": ["…"]}
 *
 * The algorithm is SumBasic (A. Nenkova, L. Vanderwende: The Impact of Frequency on Summarization, 2005). The weight of
 * a word is its share of the text; the weight of a sentence is the mean of its words. Take the heaviest sentence, square
 * the weights of the words in it, for they have been said now, and repeat.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/c/agent.h"
#include "../lib/c/json.h"
#include "../lib/c/summary.h"
#include "../lib/c/text.h"

/* Means are taken over at least so many words, or "Taxes!" would beat every sentence about taxes. */
#define LEAST_WORDS 5

/* What a heading, full of keywords but no sentence, weighs compared with a sentence. */
#define HEADING_WEIGHT 0.01

/* A word that says something about the topic. */
struct keyword {
  struct span text;
  size_t count;
  /* Its share of all keywords in the text, squared for each time it was said in the summary. */
  double weight;
};

/* One place where a keyword stands. */
struct occurrence {
  struct span text;
  struct keyword *keyword;
};

/* A sentence owns the occurrences from `first` up to `end`. */
struct sentence {
  size_t first;
  size_t end;
  bool complete;
};

struct index {
  struct occurrence *occurrences;
  size_t occurrence_count;
  struct sentence *sentences;
  size_t sentence_count;
  struct keyword *keywords;
  size_t keyword_count;
};

static struct index list_occurrences(const struct span *sentences, size_t count) {
  struct index index = {.sentences = agent_allocate(count, sizeof *index.sentences), .sentence_count = count};
  size_t capacity = 0;
  for (size_t i = 0; i < count; i++) {
    size_t first = index.occurrence_count;
    struct span rest = text_lower(sentences[i]);
    for (struct span word; text_next_word(&rest, &word);) {
      if (text_is_stop_word(word)) continue;
      if (index.occurrence_count == capacity) {
        capacity = capacity > 0 ? capacity * 2 : 1024;
        index.occurrences = agent_resize(index.occurrences, capacity, sizeof *index.occurrences);
      }
      index.occurrences[index.occurrence_count++] = (struct occurrence){word, NULL};
    }
    index.sentences[i] = (struct sentence){first, index.occurrence_count, text_is_complete(sentences[i])};
  }
  return index;
}

static int by_text(const void *a, const void *b) {
  const struct occurrence *const *left = a;
  const struct occurrence *const *right = b;
  return text_compare((*left)->text, (*right)->text);
}

/* Finds equal words by sorting (see word-count for why not by hashing) and gives each its keyword and weight. */
static void weigh_keywords(struct index *index) {
  size_t count = index->occurrence_count;
  struct occurrence **sorted = agent_allocate(count, sizeof *sorted);
  for (size_t i = 0; i < count; i++) sorted[i] = &index->occurrences[i];
  qsort(sorted, count, sizeof *sorted, by_text);

  index->keywords = agent_allocate(count, sizeof *index->keywords);
  struct keyword *keyword = NULL;
  for (size_t i = 0; i < count; i++) {
    if (keyword == NULL || text_compare(keyword->text, sorted[i]->text) != 0) {
      keyword = &index->keywords[index->keyword_count++];
      *keyword = (struct keyword){sorted[i]->text, 0, 0};
    }
    keyword->count++;
    keyword->weight = (double)keyword->count / (double)count;
    sorted[i]->keyword = keyword;
  }
}

static double weight_of(const struct index *index, const struct sentence *sentence) {
  double sum = 0;
  for (size_t i = sentence->first; i < sentence->end; i++) sum += index->occurrences[i].keyword->weight;
  size_t words = sentence->end - sentence->first;
  double mean = sum / (double)(words > LEAST_WORDS ? words : LEAST_WORDS);
  return sentence->complete ? mean : mean * HEADING_WEIGHT;
}

static void mark_as_said(struct index *index, const struct sentence *sentence) {
  for (size_t i = sentence->first; i < sentence->end; i++) {
    struct keyword *keyword = index->occurrences[i].keyword;
    keyword->weight *= keyword->weight;
  }
}

/* The heaviest sentence that is not chosen yet; of equal ones the first. One pass over the text. */
static size_t heaviest_sentence(const struct index *index, const bool *chosen) {
  size_t best = 0;
  double best_weight = -1;
  for (size_t i = 0; i < index->sentence_count; i++) {
    double weight = chosen[i] ? -1 : weight_of(index, &index->sentences[i]);
    if (weight > best_weight) {
      best = i;
      best_weight = weight;
    }
  }
  return best;
}

static bool *choose_sentences(struct index *index, size_t wanted) {
  bool *chosen = agent_allocate(index->sentence_count, sizeof *chosen);
  for (size_t i = 0; i < index->sentence_count; i++) chosen[i] = false;
  for (size_t taken = 0; taken < wanted && taken < index->sentence_count; taken++) {
    size_t heaviest = heaviest_sentence(index, chosen);
    chosen[heaviest] = true;
    mark_as_said(index, &index->sentences[heaviest]);
  }
  return chosen;
}

/* Most frequent first, equally frequent ones by alphabet. */
static int by_count(const void *a, const void *b) {
  const struct keyword *left = a;
  const struct keyword *right = b;
  if (left->count != right->count) return left->count < right->count ? 1 : -1;
  return text_compare(left->text, right->text);
}

/* Sorts the keywords, after which the occurrences no longer point to the right ones: the last thing to do. */
static void write_keywords(struct index *index, size_t most) {
  if (index->keyword_count > 0) qsort(index->keywords, index->keyword_count, sizeof *index->keywords, by_count);
  fputs(",\"keywords\":[", stdout);
  for (size_t i = 0; i < index->keyword_count && i < most; i++) {
    if (i > 0) putchar(',');
    json_write_string(index->keywords[i].text);
  }
  putchar(']');
}

int main(void) {
  struct span task = json_document(agent_input());
  struct span text = json_required_string(task, "text");
  size_t wanted = (size_t)json_optional_integer(task, "sentences", 3, 1, 50);
  size_t most_keywords = (size_t)json_optional_integer(task, "keywords", 8, 0, 100);

  size_t count;
  struct span *sentences = text_sentences(text, &count);
  if (count == 0) agent_refuse("\"text\" is empty: there is nothing to summarise.");

  struct index index = list_occurrences(sentences, count);
  if (index.occurrence_count > 0) weigh_keywords(&index);
  agent_log("Weighed %zu keywords in %zu sentences.", index.keyword_count, count);

  bool *chosen = choose_sentences(&index, wanted);
  putchar('{');
  summary_write(text, sentences, chosen, count);
  write_keywords(&index, most_keywords);
  puts("}");
  agent_finish();
  return 0;
}
