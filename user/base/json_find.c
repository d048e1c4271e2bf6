// SPDX-License-Identifier: Apache-2.0
#include "base/json_find.h"

#include "limits.h"

struct span json_find_member(struct span object, const char *name)
{
	struct json_value key, value;
	struct span found = span_of(NULL, 0);
	struct json json;

	json_init(&json, object, JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return found;
	while (json_next(&json, &key))
		if (json_equals(&key, span_str(name)) && json_read(&json, &value))
			found = value.text;
	return json_end(&json) ? found : span_of(NULL, 0);
}

bool json_find(struct json_value *value, struct span object, const char *name)
{
	struct json json;

	json_init(&json, json_find_member(object, name), JSON_DEPTH_MAX, JSON_ENTERED);
	return json_read(&json, value);
}

uint64_t json_find_u64(struct span object, const char *name)
{
	struct json_value value;
	uint64_t out;

	return json_find(&value, object, name) && json_u64(&value, &out) ? out : 0;
}

bool json_find_bool(struct span object, const char *name)
{
	struct json_value value;
	bool out;

	return json_find(&value, object, name) && json_bool(&value, &out) && out;
}
