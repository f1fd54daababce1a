/*
 * The template: greets whoever the task names. Replace what main does between reading and writing.
 *
 *   in   {"name": "…"}
 *   out  {"greeting": "…"}
 */
#include <stdio.h>

#include "../lib/c/agent.h"
#include "../lib/c/json.h"

int main(void) {
  struct span task = json_document(agent_input());
  struct span name = json_required_string(task, "name");
  agent_log("Greeting %.*s.", (int)name.length, name.at);

  char *greeting = agent_allocate(name.length + sizeof "Hello, !", 1);
  int length = sprintf(greeting, "Hello, %.*s!", (int)name.length, name.at);

  fputs("{\"greeting\":", stdout);
  json_write_string((struct span){greeting, (size_t)length});
  puts("}");
  agent_finish();
  return 0;
}
