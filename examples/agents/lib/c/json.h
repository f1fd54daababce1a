/*
 * JSON (RFC 8259) without a tree: a value is the piece of the document it was written in. The document is checked once,
 * whole, at the start; after that walking it cannot fail, and only strings that are asked for take memory.
 *
 * Each lookup walks the object from its start: meant for a few lookups, not for one in a loop.
 */
#ifndef JSON_H
#define JSON_H

#include "agent.h"

/* Arrays and objects inside each other; deeper documents are refused before they can exhaust the stack. */
#define JSON_DEPTH_LIMIT 64

/* The document's value, white space around it removed. Fails with the offset of the first mistake. */
struct span json_document(struct span input);

/* The member of an object; with the name given twice, the last one. False if there is none, or it is not an object. */
bool json_member(struct span object, const char *name, struct span *value);

/* The string member `name`, decoded. Fails when it is missing or is something else. */
struct span json_required_string(struct span object, const char *name);

/* The integer member `name`, or `fallback` when missing or null. Fails outside of `least`..`most`. */
int json_optional_integer(struct span object, const char *name, int fallback, int least, int most);

/* Writes a string to standard output, quoted and escaped. */
void json_write_string(struct span text);

#endif
