/*
 * The JavaScript runtime of an agent: QuickJS, and two scripts that `bundle.mjs` has put into `agent_script`, each ended by
 * a zero: prelude.js and the agent's own.
 *
 * The script runs as a module-less program and defines `function agent(input)`; what that returns (or what the promise
 * it returns resolves to) is the task's result. `console.log` and its sisters write to the task's log. An `InputRefused`
 * that it throws ends the agent with exit code 65, everything else with 1.
 *
 * With the argument `--check` it only evaluates the script: bundle.mjs asks so whether it can be an agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "quickjs.h"

#define INPUT_REFUSED 65

/* Zeros take no room in the binary. bundle.mjs adds a data segment here, found by this exported address. */
__attribute__((visibility("default"), used)) char agent_script[1 << 20];

static const char CALL[] =
    "Promise.resolve(__input).then((input) => { delete globalThis.__input; return agent(input); }).then(\n"
    "  (result) => { globalThis.__output = JSON.stringify(result) ?? 'null'; },\n"
    "  (error) => { console.error(error); globalThis.__output = error instanceof InputRefused ? 65 : 1; });\n";

static JSValue js_log(JSContext *context, JSValueConst self, int count, JSValueConst *values) {
  (void)self;
  size_t length;
  const char *text = count > 0 ? JS_ToCStringLen(context, &length, values[0]) : NULL;
  if (text == NULL) return JS_EXCEPTION;
  fwrite(text, 1, length, stderr);
  fputc('\n', stderr);
  JS_FreeCString(context, text);
  return JS_UNDEFINED;
}

/* (buffer, offset, length): fills a piece of an ArrayBuffer. */
static JSValue js_random(JSContext *context, JSValueConst self, int count, JSValueConst *values) {
  (void)self;
  size_t size;
  int64_t offset, length;
  uint8_t *bytes = count == 3 ? JS_GetArrayBuffer(context, &size, values[0]) : NULL;
  if (bytes == NULL || JS_ToInt64(context, &offset, values[1]) || JS_ToInt64(context, &length, values[2])) return JS_EXCEPTION;
  if (offset < 0 || length < 0 || (uint64_t)offset + (uint64_t)length > size) return JS_ThrowRangeError(context, "out of bounds");
  for (int64_t at = 0; at < length; at += 256) {
    size_t piece = length - at < 256 ? (size_t)(length - at) : 256;
    if (getentropy(bytes + offset + at, piece) != 0) return JS_ThrowInternalError(context, "no randomness");
  }
  return JS_UNDEFINED;
}

/* ms on the monotonic clock. */
static JSValue js_now(JSContext *context, JSValueConst self, int count, JSValueConst *values) {
  (void)self, (void)count, (void)values;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return JS_NewFloat64(context, now.tv_sec * 1e3 + now.tv_nsec / 1e6);
}

/* Reads from `file` to its end. Ends with a zero that does not count. Returns NULL where memory or the file fails. */
static char *read_to_end(int file, size_t *length) {
  size_t capacity = 64 << 10;
  char *text = malloc(capacity);
  *length = 0;
  ssize_t got = 1;
  while (text && (got = read(file, text + *length, capacity - *length - 1)) > 0) {
    *length += (size_t)got;
    /* In few steps: what it was before stays unused. */
    if (*length == capacity - 1) text = realloc(text, capacity *= 4);
  }
  if (text == NULL || got < 0) return NULL;
  text[*length] = 0;
  return text;
}

/* (path, request): one host call by its file. The answer, or null where the host has no such file. */
static JSValue js_call(JSContext *context, JSValueConst self, int count, JSValueConst *values) {
  (void)self;
  size_t length;
  const char *path = count == 2 ? JS_ToCString(context, values[0]) : NULL;
  const char *request = path ? JS_ToCStringLen(context, &length, values[1]) : NULL;
  if (request == NULL) return JS_EXCEPTION;
  int file = open(path, O_RDWR);
  JS_FreeCString(context, path);
  int failed = 0;
  for (size_t done = 0; file >= 0 && done < length && !failed;) {
    ssize_t written = write(file, request + done, length - done);
    failed = written < 0;
    done += failed ? 0 : (size_t)written;
  }
  JS_FreeCString(context, request);
  if (file < 0) return JS_NULL;
  char *answer = failed ? NULL : read_to_end(file, &length);
  close(file);
  if (answer == NULL) return JS_ThrowInternalError(context, "the host call failed: %s", strerror(errno));
  JSValue text = JS_NewStringLen(context, answer, length);
  free(answer);
  return text;
}

static void fail(JSContext *context, int code) {
  JSValue error = JS_GetException(context);
  const char *text = JS_ToCString(context, error);
  JSValue stack = JS_GetPropertyStr(context, error, "stack");
  const char *trace = JS_IsUndefined(stack) ? NULL : JS_ToCString(context, stack);
  fprintf(stderr, "%s\n%s", text ? text : "The script failed.", trace ? trace : "");
  exit(code);
}

static void run(JSContext *context, const char *code, size_t length, const char *name) {
  if (JS_IsException(JS_Eval(context, code, length, name, JS_EVAL_TYPE_GLOBAL))) fail(context, 1);
}

static char *read_input(size_t *length) {
  char *input = read_to_end(STDIN_FILENO, length);
  if (input == NULL) {
    fputs("The input needs more memory than there is.\n", stderr);
    exit(1);
  }
  return input;
}

static int defines_agent(JSContext *context) {
  static const char QUESTION[] = "typeof agent === 'function'";
  JSValue answer = JS_Eval(context, QUESTION, sizeof QUESTION - 1, "check.js", JS_EVAL_TYPE_GLOBAL);
  return JS_ToBool(context, answer) == 1;
}

/* Runs what the script has left to do, timers included, until nothing is left. */
static void run_pending(JSRuntime *runtime, JSContext *context, JSValue global) {
  for (;;) {
    JSContext *pending;
    int more;
    while ((more = JS_ExecutePendingJob(runtime, &pending)) > 0) {}
    if (more < 0) fail(pending, 1);
    JSValue output = JS_GetPropertyStr(context, global, "__output");
    if (!JS_IsUndefined(output)) return;
    JSValue timer = JS_GetPropertyStr(context, global, "__runTimer");
    JSValue answer = JS_Call(context, timer, JS_UNDEFINED, 0, NULL);
    int32_t wait;
    if (JS_IsException(answer) || JS_ToInt32(context, &wait, answer)) fail(context, 1);
    if (wait < 0) return;
    if (wait > 0) usleep((useconds_t)wait * 1000);
  }
}

int main(int count, char **arguments) {
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = JS_NewContext(runtime);
  JS_SetMaxStackSize(runtime, 768 << 10);
  JSValue global = JS_GetGlobalObject(context);
  JS_SetPropertyStr(context, global, "__log", JS_NewCFunction(context, js_log, "__log", 1));
  JS_SetPropertyStr(context, global, "__random", JS_NewCFunction(context, js_random, "__random", 3));
  JS_SetPropertyStr(context, global, "__call", JS_NewCFunction(context, js_call, "__call", 2));
  JS_SetPropertyStr(context, global, "__now", JS_NewCFunction(context, js_now, "now", 0));
  const char *script = agent_script + strlen(agent_script) + 1;
  run(context, agent_script, strlen(agent_script), "prelude.js");
  run(context, script, strlen(script), "agent.js");
  if (!defines_agent(context)) {
    fputs("The script defines no function `agent`.\n", stderr);
    return 1;
  }
  if (count > 1 && strcmp(arguments[1], "--check") == 0) return 0;

  size_t length;
  char *text = read_input(&length);
  JSValue input = JS_ParseJSON(context, text, length, "input");
  if (JS_IsException(input)) fail(context, INPUT_REFUSED);
  free(text);
  JS_SetPropertyStr(context, global, "__input", input);
  run(context, CALL, sizeof CALL - 1, "call.js");
  run_pending(runtime, context, global);

  JSValue output = JS_GetPropertyStr(context, global, "__output");
  if (JS_IsUndefined(output)) {
    fputs("The promise that agent returned is never settled: nothing is left to run that could do it.\n", stderr);
    return 1;
  }
  int32_t code;
  if (JS_IsNumber(output) && JS_ToInt32(context, &code, output) == 0) return code; /* rejected, and said so */
  const char *result = JS_ToCStringLen(context, &length, output);
  if (result == NULL) fail(context, 1);
  fwrite(result, 1, length, stdout);
  return fflush(stdout) == 0 ? 0 : 1;
}
