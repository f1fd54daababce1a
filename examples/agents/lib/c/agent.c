#include "agent.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

#define INPUT_REFUSED 65

static _Noreturn void end(int code, const char *format, va_list values);

struct span agent_input(void) {
  size_t capacity = 64 << 10;
  size_t length = 0;
  char *buffer = agent_resize(NULL, capacity, 1);
  for (size_t got; (got = fread(buffer + length, 1, capacity - length, stdin)) > 0;) {
    length += got;
    /* In few steps: what the buffer was before stays unused. */
    if (length == capacity) buffer = agent_resize(buffer, capacity *= 4, 1);
  }
  if (ferror(stdin)) agent_fail("The input could not be read.");

  struct span input = {buffer, length};
  if (!text_is_utf8(input)) agent_refuse("The input is not valid UTF-8.");
  return input;
}

void agent_log(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
  fputc('\n', stderr);
}

void agent_refuse(const char *format, ...) {
  va_list values;
  va_start(values, format);
  end(INPUT_REFUSED, format, values);
}

void agent_fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  end(1, format, values);
}

static void end(int code, const char *format, va_list values) {
  vfprintf(stderr, format, values);
  fputc('\n', stderr);
  exit(code);
}

void *agent_allocate(size_t count, size_t size) {
  return agent_resize(NULL, count, size);
}

void *agent_resize(void *memory, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) agent_fail("The input needs more memory than there is.");
  void *resized = realloc(memory, bytes > 0 ? bytes : 1);
  if (resized == NULL) agent_fail("The input needs more memory than there is.");
  return resized;
}

void agent_finish(void) {
  if (fflush(stdout) != 0) agent_fail("The output could not be written.");
}
