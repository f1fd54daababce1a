/*
 * The frame of an agent in C: read one JSON document from standard input, write one to standard output, say what is
 * going on on standard error (every line becomes a log event of the task), exit 0. An agent whose
 * input is at fault says why in one sentence and exits 65; one that fails by itself exits 1.
 *
 * A process serves one task, so nothing is ever freed: the memory goes when the process goes.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of text inside somebody else's buffer: not terminated, may contain NUL. Always valid UTF-8. */
struct span {
  const char *at;
  size_t length;
};

/* Reads standard input to its end, whatever its size. Refuses it when it is not UTF-8. */
struct span agent_input(void);

/* Writes one line to the task's log. */
void agent_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what is wrong with the input, in one sentence, and ends the agent with exit code 65. It does not count as a failure. */
_Noreturn void agent_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what is wrong, in one sentence, and ends the agent with exit code 1. */
_Noreturn void agent_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory for `count` things of `size` bytes, or the end of the agent. */
void *agent_allocate(size_t count, size_t size);

/* Resizes what `agent_allocate` or `agent_resize` gave; `memory` may be NULL. */
void *agent_resize(void *memory, size_t count, size_t size);

/* Makes sure that what was written has arrived. The last call of an agent. */
void agent_finish(void);

#endif
