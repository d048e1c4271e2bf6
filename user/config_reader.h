/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CONFIG_READER_H
#define TOLLBAR_CONFIG_READER_H
/* config_reader.h: what the three parts of config share while a file is read: config.c (sections and settings),
 * config_value.c (text → values), config_check.c (what only the whole file shows).  Nobody else includes it. */
#include "base/inifile.h"
#include <inttypes.h>

#include "base/span.h"
#include "config.h"

enum section_kind {
	SECTION_NODE,
	SECTION_FILTER,
	SECTION_FACILITATOR,
	SECTION_TIMEOUTS,
	SECTION_NATIVE,
	SECTION_TLS,
	SECTION_UPSTREAM, /* from here on: one per name */
	SECTION_OFFER,
	SECTION_CHAIN,
	SECTION_ROUTE,
	SECTION_PRICE,
	SECTION_ALTERNATE, /* [facilitator NAME] */
	SECTION_KINDS,
};
#define SECTION_KEYS_MAX 28
#define SECTIONS_MAX \
	(SECTION_UPSTREAM + UPSTREAMS_MAX + OFFERS_MAX + CHAINS_MAX + ROUTES_MAX + PRICES_MAX + FACILITATORS_MAX)

struct reader;
struct setting;
typedef void set_fn(struct reader *reader, const struct setting *setting, void *field, const char *value);

struct setting {
	const char *key;
	set_fn *set;
	size_t offset; /* of the field, in the struct of its section */
	size_t bytes;  /* of the field */
	uint64_t min, max;
	const char *const *words; /* of a choice: the first stands for min */
	bool repeatable;
	bool required;
	bool secret; /* its value is not repeated in messages */
};

/* One section of the file. */
struct section {
	enum section_kind kind;
	unsigned line;
	void *target;			     /* the struct its settings go to */
	unsigned key_line[SECTION_KEYS_MAX]; /* by place in the table of settings; 0: not there */
	/* [route], and of [offer] settle_by: names, resolved when all sections are known */
	char *offers, *upstream, *settle_by;
};

struct reader {
	struct inifile *ini;
	struct config *config;
	unsigned line; /* being read */
	const struct setting *setting;
	struct section sections[SECTIONS_MAX];
	size_t section_cnt;
	struct section *current; /* NULL: an unknown section, its settings are skipped */
	/* Where a repeated or surplus section goes, so that its settings are checked too. */
	struct section spare;
	struct config spare_config;
};

const struct setting *config_settings(enum section_kind kind);
/* Line of a setting in its section; the section's own when the setting is not there. */
unsigned config_key_line(const struct section *section, const char *key);
bool config_has_key(const struct section *section, const char *key);

/* A mistake in the value being read: "KEY = VALUE: what is wrong". */
void config_value_mistake(struct reader *reader, const char *value, const char *what);

set_fn config_set_text, config_set_number, config_set_choice, config_set_listen, config_set_tls_listen,
	config_set_native_listen, config_set_proxy, config_set_socket, config_set_base_url, config_set_upstream_url,
	config_set_address, config_set_amount, config_set_limit, config_set_price, config_set_factories, config_set_usd,
	config_set_network, config_set_match, config_set_check, config_set_names, config_set_interface;

/* config_check: what only the whole file shows: missing, unknown, contradicting.  Fills offers, upstreams, public_url. */
void config_check(struct reader *reader);

#endif
