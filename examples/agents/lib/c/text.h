/*
 * Text as people see it, in UTF-8: characters, words, sentences.
 *
 * A character is a code point. A word is a run of letters and digits of any script, with apostrophes, hyphens and the
 * points and commas of a number inside; scripts that write no spaces (Chinese, Thai …) yield one word a run. A sentence
 * ends with . ! ? and their kin, or with its paragraph.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

#include "agent.h"

bool text_is_utf8(struct span text);

/* Writes one code point and answers the place behind it; takes up to 4 bytes. */
char *text_encode(char *to, uint32_t code);

size_t text_characters(struct span text);

/* Takes the next word off the front of `rest`; false when there is none left. */
bool text_next_word(struct span *rest, struct span *word);

/* A copy in lower case, typographic apostrophes made plain: one form of a word for comparing. */
struct span text_lower(struct span text);

/* A copy with each run of white space made one blank. */
struct span text_on_one_line(struct span text);

/* Order by bytes, which in UTF-8 is the order by code points: <0, 0, >0. */
int text_compare(struct span a, struct span b);

/* Is this English word, in lower case, one that says nothing about the topic (the, of, is …, single letters)? */
bool text_is_stop_word(struct span word);

/* Cuts the text into its sentences, in order, without the white space around them. */
struct span *text_sentences(struct span text, size_t *count);

/* Does it end with an end mark? Headings, greetings and captions do not. */
bool text_is_complete(struct span sentence);

#endif
