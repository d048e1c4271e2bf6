/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_JANSSON_NAMES_H
#define TOLLBAR_TESTS_JANSSON_NAMES_H
/* jansson_names.h: jansson beside base/json.h.  Some of its names are ours too: it gets others here. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL
#undef JSON_STRICT

/* Macros of jansson's that would find our numbers under its names. */
#undef json_is_object
#undef json_is_array
#undef json_is_string
#undef json_is_true
#undef json_is_false
#undef json_is_null
#define json_is_object(json) ((json) != NULL && json_typeof(json) == JANSSON_OBJECT)
#define json_is_array(json) ((json) != NULL && json_typeof(json) == JANSSON_ARRAY)
#define json_is_string(json) ((json) != NULL && json_typeof(json) == JANSSON_STRING)
#define json_is_true(json) ((json) != NULL && json_typeof(json) == JANSSON_TRUE)
#define json_is_false(json) ((json) != NULL && json_typeof(json) == JANSSON_FALSE)
#define json_is_null(json) ((json) != NULL && json_typeof(json) == JANSSON_NULL)

#endif
