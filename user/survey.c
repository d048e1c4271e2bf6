// SPDX-License-Identifier: Apache-2.0
#include "survey.h"

#include "base/hex.h"
#include "base/json.h"
#include "network.h"

#define MODELS_MAX 100000

/* --- a facilitator --- */

struct kind { /* one thing it settles */
	struct json_value version, scheme, network;
	struct address settler;
};

static void read_extra(struct kind *kind, struct json *json)
{
	struct json_value name, value;
	uint8_t digits[48];
	struct span text;

	if (!json_enter(json, JSON_OBJECT))
		return;
	while (json_next(json, &name))
		if (json_equals(&name, SPAN("facilitatorAddress")) && json_read(json, &value) &&
		    json_text(&value, &text, digits, sizeof digits) &&
		    !hex_decode(kind->settler.at, sizeof kind->settler.at, text))
			kind->settler = (struct address){0};
}

/* Nothing is known of a value whose text is bad. */
static void read_member(struct json_value *value, struct json *json)
{
	if (!json_read(json, value))
		*value = (struct json_value){0};
}

static void read_kind(struct kind *kind, struct json *json)
{
	struct json_value name;

	*kind = (struct kind){0};
	if (!json_enter(json, JSON_OBJECT))
		return;
	while (json_next(json, &name)) {
		if (json_equals(&name, SPAN("x402Version")))
			read_member(&kind->version, json);
		else if (json_equals(&name, SPAN("scheme")))
			read_member(&kind->scheme, json);
		else if (json_equals(&name, SPAN("network")))
			read_member(&kind->network, json);
		else if (json_equals(&name, SPAN("extra")))
			read_extra(kind, json);
	}
}

static bool fits(const struct kind *kind, bool upto, uint64_t chain_id)
{
	uint8_t buffer[64];
	struct span network;
	uint64_t version;

	return json_u64(&kind->version, &version) && version == 2 &&
	       json_equals(&kind->scheme, upto ? SPAN("upto") : SPAN("exact")) &&
	       json_text(&kind->network, &network, buffer, sizeof buffer) &&
	       (span_equal(network, SPAN("eip155:*")) || network_of_caip2(network) == chain_id);
}

enum survey survey_supported(struct address *settler, struct span body, bool upto, uint64_t chain_id)
{
	bool found = false, listed = false;
	struct json_value name;
	struct kind kind;
	struct json json;

	*settler = (struct address){0};
	json_init(&json, body, JSON_DEPTH_MAX, JSON_ENTERED);
	if (json_enter(&json, JSON_OBJECT))
		while (json_next(&json, &name)) {
			if (!json_equals(&name, SPAN("kinds")) || !json_enter(&json, JSON_ARRAY))
				continue;
			listed = true;
			while (json_element(&json)) {
				read_kind(&kind, &json);
				if (found || !fits(&kind, upto, chain_id))
					continue;
				found = true;
				*settler = kind.settler;
			}
		}
	if (!json_end(&json) || !listed) {
		*settler = (struct address){0};
		return SURVEY_UNREADABLE;
	}
	return found ? SURVEY_YES : SURVEY_NO;
}

/* --- a model server --- */

static void read_model(char first[NAME_BYTES_MAX], struct json *json)
{
	struct json_value name, id;
	uint8_t buffer[NAME_BYTES_MAX];
	struct span text;

	if (!json_enter(json, JSON_OBJECT))
		return;
	while (json_next(json, &name)) {
		if (!json_equals(&name, SPAN("id")) || !json_read(json, &id) || first[0] != 0 ||
		    !json_text(&id, &text, buffer, sizeof buffer) || text.bytes >= NAME_BYTES_MAX)
			continue;
		for (size_t i = 0; i < text.bytes; i++)
			first[i] = text.at[i] > 0x20 && text.at[i] < 0x7f ? (char)text.at[i] : '?';
		first[text.bytes] = 0;
	}
}

int survey_models(char first[NAME_BYTES_MAX], struct span body)
{
	struct json_value name;
	struct json json;
	int cnt = -1;

	first[0] = 0;
	json_init(&json, body, JSON_DEPTH_MAX, JSON_ENTERED);
	if (json_enter(&json, JSON_OBJECT))
		while (json_next(&json, &name)) {
			if (!json_equals(&name, SPAN("data")) || !json_enter(&json, JSON_ARRAY))
				continue;
			for (cnt = 0; json_element(&json);) {
				read_model(first, &json);
				cnt += cnt < MODELS_MAX;
			}
		}
	if (json_end(&json))
		return cnt;
	first[0] = 0;
	return -1;
}

/* --- the time --- */

/* Days from 1970-01-01 of the Gregorian calendar, month counted from 0. */
static uint64_t days_of(uint64_t year, unsigned month, unsigned day)
{
	static const unsigned before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	uint64_t past = year - 1; /* whole years, as far as leap days go */
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return 365 * (year - 1970) + (past / 4 - past / 100 + past / 400 - 477) + before[month] +
	       (leap && month > 1 ? 1 : 0) + day - 1;
}

/* A number of so many digits; false: something else is among them. */
static bool digits(unsigned *out, const uint8_t *at, size_t cnt)
{
	*out = 0;
	for (size_t i = 0; i < cnt; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(at[i] - '0');
	}
	return true;
}

static bool month_read(unsigned *month, const uint8_t *at)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (*month = 0; *month < 12; (*month)++)
		if (memcmp(names + 3 * *month, at, 3) == 0)
			return true;
	return false;
}

bool survey_date(uint64_t *unix_s, struct span value)
{
	static const char form[] = "***, ** *** **** **:**:** GMT";
	unsigned day, month, year, hour, minute, second;

	if (value.bytes != sizeof form - 1)
		return false;
	for (size_t i = 0; i < value.bytes; i++)
		if (form[i] != '*' && form[i] != (char)value.at[i])
			return false;
	if (!digits(&day, value.at + 5, 2) || !month_read(&month, value.at + 8) || !digits(&year, value.at + 12, 4) ||
	    !digits(&hour, value.at + 17, 2) || !digits(&minute, value.at + 20, 2) ||
	    !digits(&second, value.at + 23, 2))
		return false;
	if (year < 1970 || day == 0 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return false;
	*unix_s = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}
