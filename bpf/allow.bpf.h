/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_ALLOW_BPF_H
#define TOLLBAR_ALLOW_BPF_H
/* allow.bpf.h: the operator's lists.  Deny beats allow in every mode. */
#include "maps.bpf.h"

/* The TOLLBAR_LIST_* bits of a source.  The exact entry, when there is one, says what the prefixes around it say too, so
 * the far slower trie is asked only for sources without one. */
static ALWAYS_INLINE __u32 allow_listed(const struct tollbar_address *source, __u32 word)
{
	__u32 generation = (word & TOLLBAR_GENERATION) != 0;

	if (word & TOLLBAR_HAS_EXACT) {
		void *inner = bpf_map_lookup_elem(&exact, &generation);
		const __u32 *bits = inner ? bpf_map_lookup_elem(inner, source) : 0;
		if (bits)
			return *bits;
	}
	if (word & TOLLBAR_HAS_PREFIX) {
		void *inner = bpf_map_lookup_elem(&prefix, &generation);
		struct tollbar_prefix key = {128, *source};
		const __u32 *bits = inner ? bpf_map_lookup_elem(inner, &key) : 0;
		if (bits)
			return *bits;
	}
	return 0;
}

static ALWAYS_INLINE enum reason allow_check(const struct tollbar_address *source, __u32 word)
{
	__u32 listed = allow_listed(source, word);

	if (listed & TOLLBAR_LIST_DENY)
		return BLOCKED;
	if (!(word & TOLLBAR_MODE_ALLOW))
		return PASS_OPEN;
	return listed & TOLLBAR_LIST_ALLOW ? PASS_ALLOWED : NOT_ALLOWED;
}

#endif
