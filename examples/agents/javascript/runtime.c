/*
 * The JavaScript runtime of an agent: QuickJS, and a script that `bundle.mjs` has put into `agent_script`.
 *
 * The script runs as a module-less program and defines `function agent(input)`; what that returns (or what the promise
 * it returns resolves to) is the task's result. `console.log` and its sisters write to the task's log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "quickjs.h"

/* Zeros take no room in the binary. bundle.mjs adds a data segment here, found by this exported address. */
__attribute__((visibility("default"), used)) char agent_script[1 << 20];

static const char PRELUDE[] =
    "globalThis.console = {};\n"
    "for (const level of ['log', 'info', 'warn', 'error', 'debug'])\n"
    "  console[level] = (...values) => __log(values.map((v) =>\n"
    "    typeof v === 'string' ? v : v instanceof Error ? `${v}\\n${v.stack}` : JSON.stringify(v) ?? String(v)).join(' '));\n";
static const char CALL[] =
    "Promise.resolve().then(() => agent(JSON.parse(__input))).then(\n"
    "  (result) => { globalThis.__output = JSON.stringify(result) ?? 'null'; },\n"
    "  (error) => { console.error(error); globalThis.__output = null; });\n";

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

static void fail(JSContext *context) {
  JSValue error = JS_GetException(context);
  const char *text = JS_ToCString(context, error);
  JSValue stack = JS_GetPropertyStr(context, error, "stack");
  const char *trace = JS_IsUndefined(stack) ? NULL : JS_ToCString(context, stack);
  fprintf(stderr, "%s\n%s", text ? text : "The script failed.", trace ? trace : "");
  exit(1);
}

static void run(JSContext *context, const char *code, size_t length, const char *name) {
  if (JS_IsException(JS_Eval(context, code, length, name, JS_EVAL_TYPE_GLOBAL))) fail(context);
}

static char *read_input(size_t *length) {
  size_t capacity = 64 << 10;
  char *input = malloc(capacity);
  *length = 0;
  for (size_t got; input && (got = fread(input + *length, 1, capacity - *length, stdin)) > 0;) {
    *length += got;
    if (*length == capacity) input = realloc(input, capacity *= 2);
  }
  if (input == NULL) {
    fputs("The input needs more memory than there is.\n", stderr);
    exit(1);
  }
  return input;
}

int main(void) {
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = JS_NewContext(runtime);
  JS_SetMaxStackSize(runtime, 768 << 10);
  JSValue global = JS_GetGlobalObject(context);
  size_t length;
  char *input = read_input(&length);
  JS_SetPropertyStr(context, global, "__input", JS_NewStringLen(context, input, length));
  JS_SetPropertyStr(context, global, "__log", JS_NewCFunction(context, js_log, "__log", 1));
  run(context, PRELUDE, sizeof PRELUDE - 1, "prelude.js");
  run(context, agent_script, strlen(agent_script), "agent.js");
  run(context, CALL, sizeof CALL - 1, "call.js");

  JSContext *pending;
  int more;
  while ((more = JS_ExecutePendingJob(runtime, &pending)) > 0) {}
  if (more < 0) fail(pending);

  JSValue output = JS_GetPropertyStr(context, global, "__output");
  if (JS_IsNull(output)) return 1; /* rejected, and said so */
  if (JS_IsUndefined(output)) {
    fputs("The promise that agent returned is never settled: nothing is left to run that could do it.\n", stderr);
    return 1;
  }
  const char *text = JS_ToCStringLen(context, &length, output);
  if (text == NULL) fail(context);
  fwrite(text, 1, length, stdout);
  return fflush(stdout) == 0 ? 0 : 1;
}
