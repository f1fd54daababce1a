/*
 * Calls of the host, over the imports of the module `zerostate`. A binary that includes this needs permissions at its
 * upload.
 *
 *   struct zerostate_answer got = zerostate_call("kv.get", "{\"key\":\"n\"}");
 *   if (zerostate_failed(got)) ...
 *
 * Requests and answers are JSON text in UTF-8. There is one answer at a time: nothing is sent in parallel.
 */
#ifndef ZEROSTATE_H
#define ZEROSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct zerostate_answer {
  /* The answer, ended by a zero; NULL when there is no memory for it. Free it with free(). */
  char *text;
  /* Bytes of the answer, without the zero. */
  size_t length;
};

__attribute__((import_module("zerostate"), import_name("call"))) int32_t zerostate_import_call(
    const char *name, size_t name_length, const char *request, size_t request_length);
__attribute__((import_module("zerostate"), import_name("read"))) int32_t zerostate_import_read(char *to, size_t length);

/* Calls a method, such as "kv.get", with a request in JSON, and waits for the answer. */
static inline struct zerostate_answer zerostate_call(const char *method, const char *request) {
  struct zerostate_answer answer = {NULL, 0};
  int32_t length = zerostate_import_call(method, strlen(method), request, strlen(request));
  if (length < 0 || (answer.text = malloc((size_t)length + 1)) == NULL) return answer;
  int32_t got = zerostate_import_read(answer.text, (size_t)length);
  answer.length = got > 0 ? (size_t)got : 0;
  answer.text[answer.length] = 0;
  return answer;
}

/*
 * Whether the host refused the call, or it failed. Then the text is {"error":{"code","message"}}, which no other answer
 * begins with.
 */
static inline bool zerostate_failed(struct zerostate_answer answer) {
  static const char ERROR[] = "{\"error\":";
  return answer.text == NULL || strncmp(answer.text, ERROR, sizeof ERROR - 1) == 0;
}

#endif
