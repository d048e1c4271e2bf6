// SPDX-License-Identifier: Apache-2.0
/* payers_list.c: the payer file → a hash table of limits. */
#include "payers_list.h"

#include <errno.h>
#include <stdlib.h>

#include "base/addrtext.h"
#include "base/inifile.h"
#include "base/siphash.h"
#include "base/u256.h"

enum mode { MODE_NONE, MODE_ALLOW, MODE_DENY, MODE_OFF };

enum setting {
	SET_RATE = 1,
	SET_IN_FLIGHT = 2,
	SET_SPEND = 4,
	SET_MODELS = 8,
	SET_DENY = 16,
	SET_MODE = 32,
	SET_PRIORITY = 64
};

struct entry {
	struct address payer;
	uint32_t set; /* enum setting: what its section gave; the rest is the default's */
	struct payer_limits limits;
};

struct payers_list {
	enum mode mode;
	uint8_t hash_key[16];
	struct entry fallback; /* [default] */
	struct entry *entries;
	uint32_t entry_cnt, entry_room;
	uint32_t *table;     /* open addressing: number of an entry, from 1; 0 is free */
	uint32_t table_size; /* power of two, at least twice the entries */
	char *text;	     /* names of models */
	size_t text_bytes, text_room;
};

/* The slot that holds the payer, or the free one where it belongs. */
static uint32_t *list_slot(const struct payers_list *list, const struct address *payer)
{
	uint32_t mask = list->table_size - 1;
	uint32_t i = (uint32_t)siphash(list->hash_key, payer, sizeof *payer) & mask;

	while (list->table[i] != 0 && memcmp(&list->entries[list->table[i] - 1].payer, payer, sizeof *payer) != 0)
		i = (i + 1) & mask;
	return &list->table[i];
}

static const struct entry *list_find(const struct payers_list *list, const struct address *payer)
{
	uint32_t number = *list_slot(list, payer);

	return number != 0 ? &list->entries[number - 1] : NULL;
}

static bool list_grow(struct payers_list *list)
{
	uint32_t room = list->entry_room * 2;
	struct entry *entries = realloc(list->entries, room * sizeof *entries);

	if (entries == NULL)
		return false;
	list->entries = entries;
	uint32_t *table = calloc((size_t)room * 2, sizeof *table);
	if (table == NULL)
		return false;
	list->entry_room = room;
	free(list->table);
	list->table = table;
	list->table_size = room * 2;
	for (uint32_t i = 0; i < list->entry_cnt; i++)
		*list_slot(list, &list->entries[i].payer) = i + 1;
	return true;
}

struct payers_list *payers_list_open(const uint8_t hash_key[16])
{
	struct payers_list *list = calloc(1, sizeof *list);

	if (list == NULL)
		return NULL;
	list->mode = MODE_OFF;
	list->entry_room = 16;
	list->table_size = 2 * list->entry_room;
	list->entries = calloc(list->entry_room, sizeof *list->entries);
	list->table = calloc(list->table_size, sizeof *list->table);
	if (list->entries == NULL || list->table == NULL) {
		payers_list_free(list);
		return NULL;
	}
	memcpy(list->hash_key, hash_key, sizeof list->hash_key);
	return list;
}

void payers_list_free(struct payers_list *list)
{
	if (list == NULL)
		return;
	free(list->entries);
	free(list->table);
	free(list->text);
	free(list);
}

/* --- reading --- */

struct reader {
	struct inifile *ini;
	struct payers_list *list;
	bool no_memory;
	enum { IN_NOTHING, IN_LIST, IN_DEFAULT, IN_PAYER } place;
	struct entry *entry; /* its limits are being read; a spare one in a repeated section */
	struct entry spare;
	uint32_t list_set, list_line, default_line;
};

static void take_section(struct reader *r, unsigned line, const char *name)
{
	struct address payer;
	const char *problem;

	r->place = IN_NOTHING;
	if (strcmp(name, "list") == 0 || strcmp(name, "default") == 0) {
		uint32_t *before = *name == 'l' ? &r->list_line : &r->default_line;
		r->place = *name == 'l' ? IN_LIST : IN_DEFAULT;
		r->entry = &r->list->fallback;
		if (*before != 0)
			inifile_mistake(r->ini, line, "[%s] again; it began at line %u", name, *before);
		else
			*before = line;
		return;
	}
	if ((problem = addrtext_decode(payer.at, span_str(name))) != NULL) {
		inifile_mistake(r->ini, line, "[%s]: neither [list] nor [default] nor a payer; a payer %s", name,
				problem);
		return;
	}
	if (r->list->entry_cnt == r->list->entry_room && !list_grow(r->list)) {
		r->no_memory = true;
		return;
	}
	r->place = IN_PAYER;
	uint32_t *slot = list_slot(r->list, &payer);
	if (*slot != 0) {
		inifile_mistake(r->ini, line, "[%s] again", name);
		r->spare = (struct entry){.payer = payer};
		r->entry = &r->spare;
		return;
	}
	r->entry = &r->list->entries[r->list->entry_cnt++];
	*r->entry = (struct entry){.payer = payer};
	*slot = r->list->entry_cnt;
}

static void take_number(struct reader *r, unsigned line, const char *key, const char *value, uint32_t *out)
{
	struct word word;
	uint64_t number;

	if (!u256_decimal(word.at, span_str(value)) || !u256_to_u64(&number, word.at) || number > 1000000000)
		inifile_mistake(r->ini, line, "%s = %s: must be a number from 0 to 1000000000; 0 is no limit", key,
				value);
	else
		*out = (uint32_t)number;
}

static void take_spend(struct reader *r, unsigned line, const char *value, unsigned __int128 *out)
{
	struct word word;

	if (!u256_decimal(word.at, span_str(value)) || !u256_to_u128(out, word.at) || *out >= SPEND_MAX)
		inifile_mistake(r->ini, line,
				"spend_per_day = %s: must be a whole number of atomic units below 2^96; 0 is no limit",
				value);
}

static bool text_append(struct payers_list *list, const char *at, size_t bytes)
{
	if (list->text_room - list->text_bytes < bytes + 1) {
		size_t room = 2 * list->text_room + bytes + 256;
		char *text = realloc(list->text, room);
		if (text == NULL || room > UINT32_MAX) {
			list->text = text != NULL ? text : list->text;
			return false;
		}
		list->text = text;
		list->text_room = room;
	}
	memcpy(list->text + list->text_bytes, at, bytes);
	list->text[list->text_bytes + bytes] = 0;
	list->text_bytes += bytes + 1;
	return true;
}

/* "*", or names between commas. */
static void take_models(struct reader *r, unsigned line, const char *value, struct payer_limits *limits)
{
	limits->models_at = (uint32_t)r->list->text_bytes;
	limits->model_cnt = 0;
	if (strcmp(value, "*") == 0)
		return;
	for (bool more = true; more;) {
		size_t bytes = strcspn(value += strspn(value, " \t"), ",");
		more = value[bytes] == ',';
		size_t name_bytes = bytes;
		while (name_bytes > 0 && (value[name_bytes - 1] == ' ' || value[name_bytes - 1] == '\t'))
			name_bytes--;
		if (name_bytes == 0 || name_bytes >= NAME_BYTES_MAX || memchr(value, '*', name_bytes) != NULL) {
			inifile_mistake(r->ini, line, "models: must be * or names shorter than %d bytes between commas",
					NAME_BYTES_MAX);
			return;
		}
		if (limits->model_cnt++ == PAYER_MODELS_MAX) {
			inifile_mistake(r->ini, line, "models: at most %d names", PAYER_MODELS_MAX);
			return;
		}
		if (!text_append(r->list, value, name_bytes))
			r->no_memory = true;
		value += bytes + more;
	}
}

static void take_words(struct reader *r, unsigned line, const char *key, const char *value, const char *const *words,
		       unsigned *out)
{
	for (unsigned i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], value) == 0) {
			*out = i;
			return;
		}
	}
	inifile_mistake(r->ini, line, "%s = %s: must be %s or %s%s%s", key, value, words[0], words[1],
			words[2] != NULL ? " or " : "", words[2] != NULL ? words[2] : "");
}

static void take_value(struct reader *r, unsigned line, enum setting setting, const char *key, const char *value)
{
	static const char *const no_yes[] = {"no", "yes", NULL};
	static const char *const modes[] = {"allow", "deny", "off", NULL};
	static const char *const priorities[] = {"high", "normal", "low", NULL};
	struct payer_limits *limits = &r->entry->limits;
	unsigned word = 0;

	switch (setting) {
	case SET_RATE:
		take_number(r, line, key, value, &limits->requests_per_minute);
		break;
	case SET_IN_FLIGHT:
		take_number(r, line, key, value, &limits->in_flight);
		break;
	case SET_SPEND:
		take_spend(r, line, value, &limits->spend_per_day);
		break;
	case SET_MODELS:
		take_models(r, line, value, limits);
		break;
	case SET_DENY:
		take_words(r, line, key, value, no_yes, &word);
		limits->deny = word != 0;
		break;
	case SET_PRIORITY:
		take_words(r, line, key, value, priorities, &word);
		limits->priority = (uint8_t)(PRIORITY_HIGH + word);
		break;
	case SET_MODE:
		take_words(r, line, key, value, modes, &word);
		r->list->mode = (enum mode)(MODE_ALLOW + word);
		break;
	}
}

static void take_setting(struct reader *r, unsigned line, const char *key, const char *value)
{
	static const struct {
		const char *key;
		enum setting setting;
		bool in_list, in_default, in_payer;
	} settings[] = {
		{"mode", SET_MODE, true, false, false},		 {"requests_per_minute", SET_RATE, false, true, true},
		{"in_flight", SET_IN_FLIGHT, false, true, true}, {"spend_per_day", SET_SPEND, false, true, true},
		{"models", SET_MODELS, false, true, true},	 {"deny", SET_DENY, false, false, true},
		{"priority", SET_PRIORITY, false, true, true},
	};

	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		bool here = (r->place == IN_LIST && settings[i].in_list) ||
			    (r->place == IN_DEFAULT && settings[i].in_default) ||
			    (r->place == IN_PAYER && settings[i].in_payer);
		if (!here || strcmp(settings[i].key, key) != 0)
			continue;
		uint32_t *set = r->place == IN_LIST ? &r->list_set : &r->entry->set;
		if ((*set & settings[i].setting) != 0)
			inifile_mistake(r->ini, line, "%s again in the same section", key);
		else
			take_value(r, line, settings[i].setting, key, value);
		*set |= settings[i].setting;
		return;
	}
	inifile_mistake(r->ini, line, "unknown setting %s in this section", key);
}

static void take(void *ctx, unsigned line, const char *section, const char *key, const char *value)
{
	struct reader *r = ctx;

	if (r->no_memory)
		return;
	if (key == NULL)
		take_section(r, line, section);
	else if (r->place != IN_NOTHING)
		take_setting(r, line, key, value);
}

/* [default] may stand anywhere in the file, so what a section leaves out is filled at the end. */
static void fill_defaults(struct payers_list *list)
{
	const struct payer_limits *fallback = &list->fallback.limits;

	for (uint32_t i = 0; i < list->entry_cnt; i++) {
		struct payer_limits *limits = &list->entries[i].limits;
		uint32_t set = list->entries[i].set;
		if ((set & SET_RATE) == 0)
			limits->requests_per_minute = fallback->requests_per_minute;
		if ((set & SET_IN_FLIGHT) == 0)
			limits->in_flight = fallback->in_flight;
		if ((set & SET_SPEND) == 0)
			limits->spend_per_day = fallback->spend_per_day;
		if ((set & SET_PRIORITY) == 0)
			limits->priority = fallback->priority;
		if ((set & SET_MODELS) == 0) {
			limits->models_at = fallback->models_at;
			limits->model_cnt = fallback->model_cnt;
		}
	}
}

struct payers_list *payers_list_parse(int *mistake_cnt, const uint8_t hash_key[16], const char *name, const char *text,
				      size_t text_bytes, FILE *mistakes)
{
	struct inifile ini = {.name = name, .mistakes = mistakes, .take = take};
	struct reader reader = {.ini = &ini, .list = payers_list_open(hash_key)};

	*mistake_cnt = -ENOMEM;
	if (reader.list == NULL)
		return NULL;
	reader.list->mode = MODE_NONE;
	ini.ctx = &reader;
	inifile_parse(&ini, text, text_bytes);
	if ((reader.list_set & SET_MODE) == 0)
		inifile_mistake(&ini, reader.list_line, "[list]: mode is missing: allow, deny or off");
	if (reader.no_memory || ini.mistake_cnt != 0) {
		payers_list_free(reader.list);
		*mistake_cnt = reader.no_memory ? -ENOMEM : ini.mistake_cnt;
		return NULL;
	}
	fill_defaults(reader.list);
	*mistake_cnt = 0;
	return reader.list;
}

/* --- asking --- */

const struct payer_limits *payers_list_limits(const struct payers_list *list, const struct address *payer)
{
	const struct entry *entry = list_find(list, payer);

	return entry != NULL ? &entry->limits : &list->fallback.limits;
}

bool payers_list_admits(const struct payers_list *list, const struct address *payer)
{
	const struct entry *entry = list_find(list, payer);

	switch (list->mode) {
	case MODE_OFF:
		return true;
	case MODE_DENY:
		return entry == NULL || !entry->limits.deny;
	case MODE_ALLOW:
		return entry != NULL && !entry->limits.deny;
	default:
		return false;
	}
}

int payers_list_admitted(const struct payers_list *list, struct address **all)
{
	int cnt = 0;

	*all = NULL;
	if (list->mode != MODE_ALLOW)
		return -ENOENT;
	*all = calloc((size_t)list->entry_cnt + 1, sizeof **all);
	if (*all == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < list->entry_cnt; i++)
		if (!list->entries[i].limits.deny)
			(*all)[cnt++] = list->entries[i].payer;
	return cnt;
}

bool payers_list_model(const struct payers_list *list, const struct payer_limits *limits, struct span model)
{
	if (limits->model_cnt == 0)
		return true;
	const char *name = list->text + limits->models_at;
	for (uint32_t i = 0; i < limits->model_cnt; i++, name += strlen(name) + 1)
		if (span_equal(span_str(name), model))
			return true;
	return false;
}
