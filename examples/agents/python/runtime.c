/*
 * The Python runtime of an agent: CPython as a WASI library. bundle.mjs calls `agent_room` and `agent_prepare` once, at
 * bundling, and keeps the memory that they leave; `_start`, which runs for each task, goes on from there.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <malloc.h>
#include <stdlib.h>
#include <wasi/api.h>
#include "frozen.h"

extern void __wasm_call_ctors(void);
extern char **environ;
extern void __wasilibc_initialize_environ(void);

static PyObject *boot;

static void set(PyStatus status) {
  if (PyStatus_Exception(status)) {
    fprintf(stderr, "%s: %s\n", status.func ? status.func : "Python", status.err_msg ? status.err_msg : "");
    exit(3);
  }
}

/* Zeros take no room in the binary: what is freed while an agent is bundled is cleared. Linked with --wrap=free. */
static int preparing = 1;
extern void __real_free(void *memory);
void __wrap_free(void *memory) {
  if (preparing && memory) memset(memory, 0, malloc_usable_size(memory));
  __real_free(memory);
}

/* Only the modules in `needed` are imported in a task. The code of all others is cleared. */
static void forget_others(PyObject *needed) {
  for (struct _frozen *module = frozen_modules; module->name; module++) {
    PyObject *name = PyUnicode_FromString(module->name);
    if (!PySequence_Contains(needed, name)) {
      memset((void *)module->code, 0, module->size);
      module->code = NULL;
    }
    Py_DECREF(name);
  }
}

__attribute__((export_name("agent_room"))) void *agent_room(size_t size) {
  __wasm_call_ctors();
  return malloc(size);
}

/* The stack lies below all else. */
__attribute__((export_name("agent_stack"))) void *agent_stack(void) {
  extern char __global_base;
  return &__global_base;
}

__attribute__((export_name("agent_prepare"))) int agent_prepare(const char *document, size_t size) {
  PyImport_FrozenModules = frozen_modules;
  PyPreConfig pre;
  PyPreConfig_InitIsolatedConfig(&pre);
  pre.utf8_mode = 1;
  set(Py_PreInitialize(&pre));

  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.site_import = 0;
  config.write_bytecode = 0;
  config.install_signal_handlers = 0;
  config.pathconfig_warnings = 0;
  config.module_search_paths_set = 1;
  set(PyConfig_SetString(&config, &config.program_name, L"python"));
  set(PyConfig_SetString(&config, &config.executable, L""));
  set(PyConfig_SetString(&config, &config.home, L"/"));
  set(PyConfig_SetString(&config, &config.prefix, L"/"));
  set(PyConfig_SetString(&config, &config.exec_prefix, L"/"));
  set(PyConfig_SetString(&config, &config.base_prefix, L"/"));
  set(PyConfig_SetString(&config, &config.base_exec_prefix, L"/"));
  set(PyConfig_SetString(&config, &config.platlibdir, L"lib"));
  set(PyConfig_SetString(&config, &config.stdio_encoding, L"utf-8"));
  set(PyConfig_SetString(&config, &config.stdio_errors, L"backslashreplace"));
  set(Py_InitializeFromConfig(&config));
  PyConfig_Clear(&config);

  boot = PyImport_ImportModule("_agent_boot");
  PyObject *loaded = boot ? PyObject_CallMethod(boot, "load", "y#", document, (Py_ssize_t)size) : NULL;
  if (loaded == NULL) {
    PyErr_Print();
    return 1;
  }
  if (loaded == Py_None) return 1;
  forget_others(loaded);
  preparing = 0;
  return 0;
}

/* What the environment says at bundling is not what it says in a run. */
static void take_environment(void) {
  __wasilibc_initialize_environ();
  PyObject *os = PyImport_ImportModule("os");
  PyObject *variables = os ? PyObject_GetAttrString(os, "environ") : NULL;
  for (char **entry = environ; variables && entry && *entry; entry++) {
    char *value = strchr(*entry, '=');
    if (value == NULL) continue;
    PyObject *name = PyUnicode_DecodeUTF8(*entry, value - *entry, "surrogateescape");
    PyObject *text = PyUnicode_DecodeUTF8(value + 1, strlen(value + 1), "surrogateescape");
    if (name && text) PyObject_SetItem(variables, name, text);
    Py_XDECREF(name);
    Py_XDECREF(text);
  }
  PyErr_Clear();
}

__attribute__((export_name("_start"))) void start(void) {
  take_environment();
  PyObject *code = PyObject_CallMethod(boot, "run", NULL);
  long status = code ? PyLong_AsLong(code) : -1;
  if (status < 0) {
    PyErr_Print();
    status = 1;
  }
  if (status) __wasi_proc_exit((__wasi_exitcode_t)status);
}
