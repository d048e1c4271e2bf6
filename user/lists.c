// SPDX-License-Identifier: Apache-2.0
#include "lists.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)LISTS_PREFIXES_MAX * 64)
#define MAPPED_BITS 96

static const unsigned char byte_order_mark[3] = {0xef, 0xbb, 0xbf};
static const struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

struct reader {
	struct prefix_list *list;
	size_t room;
	const char *name;
	unsigned line;
	int mistake_cnt;
	FILE *mistakes;
};

__attribute__((format(printf, 2, 3))) static void mistake(struct reader *reader, const char *format, ...)
{
	va_list args;

	reader->mistake_cnt++;
	if (reader->mistakes == NULL || reader->mistake_cnt > LISTS_MISTAKES_SHOWN)
		return;
	fprintf(reader->mistakes, "%s:%u: ", reader->name, reader->line);
	va_start(args, format);
	vfprintf(reader->mistakes, format, args);
	va_end(args);
	fputc('\n', reader->mistakes);
}

/* Is every bit of address from `bits` on zero? */
static bool host_bits_zero(const struct in6_addr *address, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (address->s6_addr[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool within(const struct in6_addr *address, const struct in6_addr *base, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(address, base, bytes) != 0)
		return false;
	return rest == 0 || (address->s6_addr[bytes] ^ base->s6_addr[bytes]) >> (8 - rest) == 0;
}

/* Decimal without sign or leading zero; -1 otherwise. */
static int length_of(const char *text)
{
	int value = 0;

	if (*text == 0 || strlen(text) > 3 || (text[0] == '0' && text[1] != 0))
		return -1;
	for (; *text != 0; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
	}
	return value;
}

static bool prefix_address(struct prefix *prefix, unsigned *family_bits, const char *text)
{
	if (inet_pton(AF_INET, text, &prefix->address.s6_addr[12]) == 1) {
		memcpy(&prefix->address, &mapped, 12);
		*family_bits = 32;
		return true;
	}
	*family_bits = 128;
	return inet_pton(AF_INET6, text, &prefix->address) == 1;
}

/* word is zero-terminated and may be cut up. */
static bool prefix_parse(struct prefix *prefix, char *word, struct reader *reader)
{
	char *slash = strchr(word, '/');
	unsigned family_bits;

	*prefix = (struct prefix){0};
	if (slash != NULL)
		*slash = 0;
	if (!prefix_address(prefix, &family_bits, word)) {
		mistake(reader, "\"%s\" is not an IPv4 or IPv6 address", word);
		return false;
	}
	int length = slash == NULL ? (int)family_bits : length_of(slash + 1);
	if (length < 0 || length > (int)family_bits) {
		mistake(reader, "prefix length must be 0 to %u, not \"%s\"", family_bits, slash + 1);
		return false;
	}
	prefix->bits = (uint8_t)((unsigned)length + 128 - family_bits);
	if (family_bits == 128 && prefix->bits >= MAPPED_BITS && within(&prefix->address, &mapped, MAPPED_BITS)) {
		mistake(reader, "\"%s\" is an IPv4 address: write it as a.b.c.d", word);
		return false;
	}
	if (!host_bits_zero(&prefix->address, prefix->bits)) {
		mistake(reader, "\"%s/%d\" has bits set beyond its length", word, length);
		return false;
	}
	return true;
}

static int list_push(struct reader *reader, const struct prefix *prefix)
{
	struct prefix_list *list = reader->list;

	if (list->cnt == LISTS_PREFIXES_MAX) {
		mistake(reader, "more than %u prefixes", LISTS_PREFIXES_MAX);
		return 0;
	}
	if (list->cnt == reader->room) {
		size_t room = reader->room == 0 ? 256 : reader->room * 2;
		struct prefix *grown = realloc(list->prefixes, room * sizeof *grown);
		if (grown == NULL)
			return -ENOMEM;
		list->prefixes = grown;
		reader->room = room;
	}
	list->prefixes[list->cnt++] = *prefix;
	return 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* No byte of the file reaches the operator's terminal as a control character; an address has none to lose. */
static void word_copy(char *word, const char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		word[i] = at[i] > ' ' && at[i] < 127 ? at[i] : at[i] == ' ' ? ' ' : '?';
	word[bytes] = 0;
}

/* One line, without its end. */
static int line_parse(struct reader *reader, const char *at, size_t bytes)
{
	char word[INET6_ADDRSTRLEN + 5]; /* the longest address, a slash, three digits */
	struct prefix prefix;
	const char *comment = memchr(at, '#', bytes), *end = comment != NULL ? comment : at + bytes;

	while (at < end && blank(*at))
		at++;
	while (end > at && blank(end[-1]))
		end--;
	size_t used = (size_t)(end - at);
	if (used == 0)
		return 0;
	if (memchr(at, 0, used) != NULL) {
		mistake(reader, "a zero byte: this is not a text file");
		return 0;
	}
	if (used >= sizeof word) {
		mistake(reader, "not a prefix (one a line, comments start with #)");
		return 0;
	}
	word_copy(word, at, used);
	return prefix_parse(&prefix, word, reader) ? list_push(reader, &prefix) : 0;
}

int lists_parse(struct prefix_list *list, const char *name, const char *text, size_t text_bytes, FILE *mistakes)
{
	struct reader reader = {.list = list, .name = name, .mistakes = mistakes};
	const char *end = text + text_bytes;
	int err = 0;

	*list = (struct prefix_list){0};
	if (text_bytes >= sizeof byte_order_mark && memcmp(text, byte_order_mark, sizeof byte_order_mark) == 0)
		text += sizeof byte_order_mark;
	while (text < end && err == 0) {
		const char *newline = memchr(text, '\n', (size_t)(end - text)), *stop = newline != NULL ? newline : end;
		reader.line++;
		err = line_parse(&reader, text, (size_t)(stop - text));
		text = newline != NULL ? newline + 1 : end;
	}
	if (err == 0 && reader.mistake_cnt == 0)
		return 0;
	if (reader.mistake_cnt > LISTS_MISTAKES_SHOWN && mistakes != NULL)
		fprintf(mistakes, "%s: and %d more mistakes\n", name, reader.mistake_cnt - LISTS_MISTAKES_SHOWN);
	lists_fini(list);
	return err != 0 ? err : reader.mistake_cnt;
}

/* The whole file; *text is the caller's to free, also after a failure. */
static int file_read(char **text, size_t *bytes, FILE *file)
{
	size_t room = 0;

	*text = NULL;
	*bytes = 0;
	for (;;) {
		if (*bytes == room) {
			room = room == 0 ? 65536 : room * 2;
			char *grown = room <= FILE_BYTES_MAX ? realloc(*text, room) : NULL;
			if (grown == NULL)
				return room <= FILE_BYTES_MAX ? -ENOMEM : -EFBIG;
			*text = grown;
		}
		size_t got = fread(*text + *bytes, 1, room - *bytes, file);
		if (got == 0)
			return ferror(file) ? -errno : 0;
		*bytes += got;
	}
}

int lists_load(struct prefix_list *list, const char *path, FILE *mistakes)
{
	char *text;
	size_t bytes;
	FILE *file = fopen(path, "re");

	*list = (struct prefix_list){0};
	if (file == NULL)
		return -errno;
	int result = file_read(&text, &bytes, file);
	if (result == 0)
		result = lists_parse(list, path, text, bytes, mistakes);
	free(text);
	fclose(file);
	return result;
}

void lists_fini(struct prefix_list *list)
{
	free(list->prefixes);
	*list = (struct prefix_list){0};
}

int lists_add(struct prefix_list *list, const struct in6_addr *address)
{
	struct prefix *grown = realloc(list->prefixes, (list->cnt + 1) * sizeof *grown);

	if (grown == NULL)
		return -ENOMEM;
	list->prefixes = grown;
	list->prefixes[list->cnt++] = (struct prefix){*address, 128};
	return 0;
}
