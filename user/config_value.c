// SPDX-License-Identifier: Apache-2.0
/* config_value.c: the text of one setting → its value, or one mistake. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>

#include "base/addrtext.h"
#include "base/u256.h"
#include "base/url.h"
#include "config_reader.h"

/* Prices stop where price × tokens still fits 128 bits for any answer: 10^27 × 2^38. */
#define PRICE_MAX ((unsigned __int128)1000000000 * 1000000000 * 1000000000)

static bool printable(const char *value)
{
	for (; *value != 0; value++)
		if (*value < 0x20 || *value > 0x7e)
			return false;
	return true;
}

void config_set_text(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	char problem[64];
	size_t bytes = strlen(value);

	if (bytes >= setting->bytes) {
		snprintf(problem, sizeof problem, "longer than %zu bytes", setting->bytes - 1);
		config_value_mistake(reader, value, problem);
	} else if (!printable(value)) {
		config_value_mistake(reader, value, "only printable ASCII");
	} else {
		memcpy(field, value, bytes + 1);
	}
}

void config_set_interface(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	/* What the kernel's dev_valid_name refuses, and path parts. */
	if (strpbrk(value, "/: \t") != NULL || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		config_value_mistake(reader, value, "not the name of a network interface");
	else
		config_set_text(reader, setting, field, value);
}

static void store(void *field, size_t bytes, uint64_t number)
{
	uint8_t small = (uint8_t)number;
	uint32_t word = (uint32_t)number;

	if (bytes == sizeof small)
		memcpy(field, &small, bytes);
	else if (bytes == sizeof word)
		memcpy(field, &word, bytes);
	else
		memcpy(field, &number, sizeof number);
}

/* Decimal digits, then nothing or K, M, G, T (of 1024). */
static bool parse_number(uint64_t *out, const char *value)
{
	uint64_t number = 0;
	const char *at = value;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return false;
	if (at == value)
		return false;
	const char *suffixes = "KMGT", *suffix = *at != 0 ? strchr(suffixes, *at) : NULL;
	if (suffix != NULL) {
		at++;
		if (__builtin_mul_overflow(number, (uint64_t)1024 << 10 * (suffix - suffixes), &number))
			return false;
	}
	*out = number;
	return *at == 0;
}

void config_set_number(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	char problem[96];
	uint64_t number;

	if (parse_number(&number, value) && number >= setting->min && number <= setting->max) {
		store(field, setting->bytes, number);
		return;
	}
	snprintf(problem, sizeof problem, "must be a number from %" PRIu64 " to %" PRIu64, setting->min, setting->max);
	config_value_mistake(reader, value, problem);
}

void config_set_choice(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	char problem[96] = "must be";

	for (unsigned i = 0; setting->words[i] != NULL; i++) {
		if (strcmp(setting->words[i], value) == 0) {
			store(field, setting->bytes, setting->min + i);
			return;
		}
		size_t used = strlen(problem);
		snprintf(problem + used, sizeof problem - used, "%s %s", i > 0 ? " or" : "", setting->words[i]);
	}
	config_value_mistake(reader, value, problem);
}

static bool parse_socket(struct sockaddr_storage *out, const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	char host[URL_BYTES_MAX];
	uint16_t port;

	if (!url_split_host(host, &port, text, false))
		return false;
	memset(out, 0, sizeof *out);
	v4.sin_port = v6.sin6_port = htons(port);
	if (*text != '[' && inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		memcpy(out, &v4, sizeof v4);
	else if (*text == '[' && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		memcpy(out, &v6, sizeof v6);
	return out->ss_family != AF_UNSPEC;
}

#define SOCKET_FORM "must be ADDRESS:PORT, numeric, as 0.0.0.0:8402 or [::]:8402"

void config_set_socket(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct sockaddr_storage address;

	if (parse_socket(&address, value))
		memcpy(field, &address, sizeof address);
	else
		config_value_mistake(reader, value, SOCKET_FORM);
}

/* true: it was added. */
static bool add_listen(struct reader *reader, struct sockaddr_storage listens[LISTENS_MAX], size_t *listen_cnt,
		       const char *value)
{
	struct sockaddr_storage address;

	if (!parse_socket(&address, value)) {
		config_value_mistake(reader, value, SOCKET_FORM);
		return false;
	}
	for (size_t i = 0; i < *listen_cnt; i++) {
		if (memcmp(&listens[i], &address, sizeof address) == 0) {
			config_value_mistake(reader, value, "listened on already");
			return false;
		}
	}
	if (*listen_cnt == LISTENS_MAX) {
		config_value_mistake(reader, value, "too many");
		return false;
	}
	listens[(*listen_cnt)++] = address;
	return true;
}

void config_set_listen(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config *config = field;

	add_listen(reader, config->listens, &config->listen_cnt, value);
}

void config_set_tls_listen(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config *config = field;

	if (add_listen(reader, config->listens, &config->listen_cnt, value))
		config->listen_tls[config->listen_cnt - 1] = true;
}

void config_set_native_listen(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config_native *native = field;

	add_listen(reader, native->listens, &native->listen_cnt, value);
}

void config_set_proxy(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config *config = field;
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, value, &address.s6_addr[12]) != 1 && inet_pton(AF_INET6, value, &address) != 1)
		config_value_mistake(reader, value, "must be an IPv4 or IPv6 address");
	else if (config->trusted_proxy_cnt == TRUSTED_PROXIES_MAX)
		config_value_mistake(reader, value, "too many");
	else
		config->trusted_proxies[config->trusted_proxy_cnt++] = address;
}

void config_set_base_url(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	char copy[URL_BYTES_MAX];
	struct url url;
	size_t bytes = strlen(value);

	while (bytes > 0 && value[bytes - 1] == '/')
		bytes--;
	snprintf(copy, sizeof copy, "%.*s", (int)bytes, value);
	if (bytes < sizeof copy && url_parse(&url, copy))
		memcpy(field, copy, bytes + 1); /* the path of the resource is appended to it */
	else
		config_value_mistake(reader, value,
				     "must be http://HOST[:PORT][/PATH] or https://..., shorter than 256 bytes");
}

/* Filled once at load: the daemon never resolves a name while it serves. */
static const char *resolve(struct config_upstream *upstream, const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
	char service[8];

	snprintf(service, sizeof service, "%u", port);
	int err = getaddrinfo(host, service, &hints, &found);
	if (err != 0)
		return gai_strerror(err);
	memcpy(&upstream->address, found->ai_addr, found->ai_addrlen);
	upstream->address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return NULL;
}

void config_set_upstream_url(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config_upstream *upstream = reader->current->target;
	char copy[URL_BYTES_MAX];
	struct url url;
	size_t bytes = strlen(value);

	bytes -= bytes > 0 && value[bytes - 1] == '/';
	snprintf(copy, sizeof copy, "%.*s", (int)bytes, value);
	if (bytes >= sizeof copy || !url_parse(&url, copy) || url.tls || url.path.bytes > 0) {
		config_value_mistake(reader, value, "must be http://HOST:PORT without a path, shorter than 256 bytes");
		return;
	}
	const char *problem = resolve(upstream, url.host, url.port);
	if (problem != NULL) {
		config_value_mistake(reader, value, problem);
		return;
	}
	memcpy(field, copy, bytes + 1);
	snprintf(upstream->host_header, sizeof upstream->host_header, "%.*s", (int)url.authority.bytes,
		 (const char *)url.authority.at);
}

void config_set_address(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct address address = {0};
	const char *problem = addrtext_decode(address.at, span_str(value));

	if (problem != NULL)
		config_value_mistake(reader, value, problem);
	else
		memcpy(field, &address, sizeof address);
}

static struct span trimmed(struct span text)
{
	while (text.bytes > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = span_of(text.at + 1, text.bytes - 1);
	while (text.bytes > 0 && (text.at[text.bytes - 1] == ' ' || text.at[text.bytes - 1] == '\t'))
		text.bytes--;
	return text;
}

/* Addresses with commas between them. */
void config_set_factories(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config_chain *chain = (struct config_chain *)((char *)field - setting->offset);
	const char *problem = NULL;
	struct span rest = span_str(value);

	chain->factory_cnt = 0;
	while (problem == NULL && value[0] != 0) { /* empty: none */
		const uint8_t *comma = memchr(rest.at, ',', rest.bytes);
		size_t bytes = comma != NULL ? (size_t)(comma - rest.at) : rest.bytes;
		struct span text = trimmed(span_of(rest.at, bytes));
		if (chain->factory_cnt == FACTORIES_MAX)
			problem = "must be 8 addresses at most";
		else
			problem = addrtext_decode(chain->factories[chain->factory_cnt++].at, text);
		if (comma == NULL)
			break;
		rest = span_of(comma + 1, rest.bytes - bytes - 1);
	}
	_Static_assert(FACTORIES_MAX == 8, "as the message says");
	if (problem != NULL)
		config_value_mistake(reader, value, problem);
}

void config_set_amount(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct word amount = {0};
	static const struct word zero;

	if (!u256_decimal(amount.at, span_str(value)) || memcmp(&amount, &zero, sizeof zero) == 0)
		config_value_mistake(reader, value, "must be a whole number of atomic units from 1 to 2^256 - 1");
	else
		memcpy(field, &amount, sizeof amount);
}

void config_set_limit(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct word limit = {{0}};

	if (!u256_decimal(limit.at, span_str(value)))
		config_value_mistake(reader, value,
				     "must be a whole number of atomic units from 0 (no limit) to 2^256 - 1");
	else
		memcpy(field, &limit, sizeof limit);
}

void config_set_price(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct word word;
	unsigned __int128 price;

	if (!u256_decimal(word.at, span_str(value)) || !u256_to_u128(&price, word.at) || price > PRICE_MAX)
		config_value_mistake(reader, value, "must be a whole number of atomic units from 0 to 10^27");
	else
		memcpy(field, &price, sizeof price);
}

/* Digits, and perhaps a point and more digits → USD_UNITs. */
static bool parse_usd(unsigned __int128 *out, const char *value)
{
	size_t whole = strspn(value, "0123456789");
	size_t fraction = value[whole] == '.' ? strspn(value + whole + 1, "0123456789") : 0;
	size_t bytes = whole + (value[whole] == '.') + fraction;

	if (whole == 0 || whole > 10 || value[bytes] != 0 || (value[whole] == '.' && fraction == 0) ||
	    fraction > USD_FRACTION_DIGITS)
		return false;
	*out = 0;
	for (size_t i = 0; i < whole; i++)
		*out = *out * 10 + (unsigned)(value[i] - '0');
	for (size_t i = 0; i < USD_FRACTION_DIGITS; i++)
		*out = *out * 10 + (i < fraction ? (unsigned)(value[whole + 1 + i] - '0') : 0);
	return *out <= USD_MAX;
}

void config_set_usd(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	unsigned __int128 usd;

	if (!parse_usd(&usd, value) || usd < setting->min)
		config_value_mistake(reader, value,
				     setting->min > 0
					     ? "must be dollars above 0, as 0.0573, to 10^9, 12 digits after the point"
					     : "must be dollars, as 2.50, to 10^9, 12 digits after the point");
	else
		memcpy(field, &usd, sizeof usd);
}

void config_set_network(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	const char *digits = strncmp(value, "eip155:", 7) == 0 ? value + 7 : "";
	struct word word;
	uint64_t chain_id;

	/* JSON and JavaScript clients hold it in a double: 2^53 is as far as they all agree. */
	if (!u256_decimal(word.at, span_str(digits)) || !u256_to_u64(&chain_id, word.at) || chain_id == 0 ||
	    chain_id > (uint64_t)1 << 53)
		config_value_mistake(reader, value, "must be eip155: and a chain id");
	else
		memcpy(field, &chain_id, sizeof chain_id);
}

/* A request's target, in origin form. */
static bool target_good(const char *path, size_t room)
{
	size_t bytes = strlen(path);
	bool good = *path == '/' && bytes < room;

	for (size_t i = 0; good && i < bytes; i++)
		good = path[i] > 0x20 && path[i] < 0x7f && path[i] != '#';
	return good;
}

void config_set_match(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	struct config_route *route = reader->current->target;
	size_t method_bytes = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	const char *path = value + method_bytes + strspn(value + method_bytes, " \t");
	size_t path_bytes = strlen(path);

	bool good = method_bytes > 0 && method_bytes < sizeof route->method && path > value + method_bytes;
	if (!good || !target_good(path, sizeof route->path)) {
		config_value_mistake(reader, value, "must be METHOD /PATH, as POST /v1/chat/completions");
		return;
	}
	memcpy(route->method, value, method_bytes);
	route->method[method_bytes] = 0;
	memcpy(route->path, path, path_bytes + 1);
}

void config_set_check(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	if (*value == 0 || target_good(value, setting->bytes))
		memcpy(field, value, strlen(value) + 1);
	else
		config_value_mistake(reader, value, "must be a path, as /health");
}

void config_set_names(struct reader *reader, const struct setting *setting, void *field, const char *value)
{
	char *copy = strdup(value);

	/* Without memory for a line of text nothing after this works either; it must not look like a free route. */
	if (copy == NULL)
		config_value_mistake(reader, value, "out of memory");
	*(char **)field = copy;
}
