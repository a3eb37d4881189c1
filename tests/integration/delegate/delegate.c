/* A TFLite delegate for tests, after the documented C interface of external delegates.

   Its options: "claim" is what it takes over ("nothing", "all", "edgetpu"), "fill" the byte that all
   it makes consists of, "fail" where it fails ("create", "prepare", "crash"). */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef enum { OK = 0, ERROR = 1 } Status;

typedef struct {
  int size;
  int data[];
} IntArray;

typedef struct {
  int type;
  void *data;
  IntArray *dims;
  struct { float scale; int32_t zero_point; } params;
  int allocation_type;
  size_t bytes;
  const void *allocation;
  const char *name;
  void *delegate;
  int buffer_handle;
  bool data_is_stale;
  bool is_variable;
  struct { int type; void *params; } quantization;
  void *sparsity;
  const IntArray *dims_signature;
} Tensor;

typedef struct {
  IntArray *inputs, *outputs, *intermediates, *temporaries;
  void *user_data;
} Node;

struct Context;
struct Delegate;

typedef struct {
  void *(*init)(struct Context *, const char *, size_t);
  void (*free)(struct Context *, void *);
  Status (*prepare)(struct Context *, Node *);
  Status (*invoke)(struct Context *, Node *);
  const char *(*profiling_string)(const struct Context *, const Node *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  uint64_t later[8]; /* what newer runtimes have added */
} Registration;

typedef struct Context {
  size_t tensors_size;
  Status (*get_execution_plan)(struct Context *, IntArray **);
  Tensor *tensors;
  void *impl;
  Status (*resize_tensor)(struct Context *, Tensor *, IntArray *);
  void (*report_error)(struct Context *, const char *, ...);
  Status (*add_tensors)(struct Context *, int, int *);
  Status (*get_node_and_registration)(struct Context *, int, Node **, Registration **);
  Status (*replace_nodes)(struct Context *, Registration, const IntArray *, struct Delegate *);
} Context;

typedef struct Delegate {
  void *data;
  Status (*prepare)(Context *, struct Delegate *);
  void *copy_from_buffer, *copy_to_buffer, *free_buffer;
  int64_t flags;
  void *opaque_builder;
  char claim[16], fail[16];
} Delegate;

static uint8_t filled_with; /* one delegate at a time is enough for the tests */

static void *init(Context *context, const char *buffer, size_t length) { return NULL; }
static void release(Context *context, void *buffer) {}
static Status ready(Context *context, Node *node) { return OK; }

static Status run(Context *context, Node *node) {
  for (int i = 0; i < node->outputs->size; i++) {
    Tensor *output = &context->tensors[node->outputs->data[i]];
    memset(output->data, filled_with, output->bytes);
  }
  return OK;
}

static bool is_claimed(Delegate *self, Registration *registration) {
  if (strcmp(self->claim, "all") == 0) return true;
  const char *name = registration->custom_name;
  return strcmp(self->claim, "edgetpu") == 0 && name && strcmp(name, "edgetpu-custom-op") == 0;
}

static Status prepare(Context *context, Delegate *self) {
  if (strcmp(self->fail, "crash") == 0) abort();
  if (strcmp(self->fail, "prepare") == 0) return ERROR;
  IntArray *plan;
  if (context->get_execution_plan(context, &plan) != OK) return ERROR;
  IntArray *claimed = malloc(sizeof(IntArray) + sizeof(int) * plan->size);
  claimed->size = 0;
  for (int i = 0; i < plan->size; i++) {
    Node *node;
    Registration *registration;
    context->get_node_and_registration(context, plan->data[i], &node, &registration);
    if (is_claimed(self, registration)) claimed->data[claimed->size++] = plan->data[i];
  }
  Registration kernel = {
    .init = init, .free = release, .prepare = ready, .invoke = run,
    .custom_name = "filled", .version = 1,
  };
  Status status = claimed->size ? context->replace_nodes(context, kernel, claimed, self) : OK;
  free(claimed);
  return status;
}

Delegate *tflite_plugin_create_delegate(
    const char **names, const char **values, size_t count, void (*report)(const char *)) {
  Delegate *self = calloc(1, sizeof *self);
  self->prepare = prepare;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], "claim") == 0) strncpy(self->claim, values[i], sizeof self->claim - 1);
    if (strcmp(names[i], "fail") == 0) strncpy(self->fail, values[i], sizeof self->fail - 1);
    if (strcmp(names[i], "fill") == 0) filled_with = (uint8_t)atoi(values[i]);
  }
  /* Without "dynamic tensors allowed" the runtime prepares operators it does not know, and fails. */
  if (strcmp(self->claim, "edgetpu") == 0) self->flags = 1;
  if (strcmp(self->fail, "create") == 0) {
    report("no accelerator is plugged in");
    free(self);
    return NULL;
  }
  return self;
}

void tflite_plugin_destroy_delegate(Delegate *self) { free(self); }
