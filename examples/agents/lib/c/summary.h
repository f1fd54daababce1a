/* What every summariser answers, so that a buyer can swap one for the other. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "agent.h"

/*
 * Writes `"summary": "…", "sentences": ["…"], "compression": 0.23`, the members of the answer without its braces, from
 * the sentences that `chosen` marks. Compression is the length of the summary over that of the text, in characters.
 */
void summary_write(struct span text, const struct span *sentences, const bool *chosen, size_t count);

#endif
