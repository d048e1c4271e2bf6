/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_NATIVE_BPF_H
#define TOLLBAR_NATIVE_BPF_H
/* native.bpf.h: the sieve in front of a native port (include/native.h).  What it drops, the daemon would have refused, or has
 * answered already: it saves work, and decides nothing.  native_sieve, native_repeat_passes and native_rewrite compile with cc,
 * too (unit tests, fuzzer).
 *
 *   form → chain, asset, method → times → payer list → (lists of sources, penalties) → cookie → repeats
 *
 * What a flood of junk costs is decided by the first of these, so they come before all that is asked of a source.
 *
 * Anybody can write any payer and any source into a datagram.  So nothing here is ever held against either; and when there
 * are more requests than cookies_per_s whose senders showed nothing, whoever has no cookie is sent one, and passes when
 * he comes back with it.  Nothing is kept for him meanwhile.  A knock always needs one.
 *
 * The answer leaves by XDP_TX, which not every NIC can do: TOLLBAR_COOKIES_SENT says that this one can.  Without it what lacks a
 * cookie passes, and the daemon answers. */
#include "native.h"
#include "packet.bpf.h"
#include "reply.bpf.h"
#ifdef __bpf__
#include "bucket.bpf.h"
#include "flood.bpf.h"
#include "maps.bpf.h"
#include "opened.bpf.h"
#include "payers.bpf.h"
#endif

#define NATIVE_L4_AT_MAX 16384u /* more than tags, IP header and all extension headers come to */

/* --- what a datagram says, against what is on offer ------------------------------------------------------------- */

/* Is this sold for that asset, by that method? */
static ALWAYS_INLINE enum reason native_terms(const struct tollbar_native *native, const struct native_request *request)
{
	const __u64 *asset = (const void *)request->asset;
	__u32 rest = *(const __u32 *)(asset + 2), method = request->head.method;
	enum reason reason = NATIVE_CHAIN;

	for (__u32 i = 0; i < TOLLBAR_NATIVE_TERMS && i < native->terms_cnt; i++) {
		const struct tollbar_native_terms *terms = &native->terms[i];
		if (terms->chain_id != request->chain_id)
			continue;
		if (terms->asset[0] != asset[0] || terms->asset[1] != asset[1] || terms->asset_rest != rest) {
			if (reason == NATIVE_CHAIN)
				reason = NATIVE_ASSET;
			continue;
		}
		if (terms->methods >> method & 1)
			return REASON_OK;
		reason = NATIVE_METHOD;
	}
	return reason;
}

static ALWAYS_INLINE enum reason native_knock_chain(const struct tollbar_native *native, __u64 chain_id)
{
	for (__u32 i = 0; i < TOLLBAR_NATIVE_TERMS && i < native->terms_cnt; i++)
		if (native->terms[i].chain_id == chain_id)
			return REASON_OK;
	return NATIVE_CHAIN;
}

/* The part that needs nothing but the datagram: payload, end, bytes as for native_form. */
static ALWAYS_INLINE enum reason native_sieve(const struct tollbar_native *native, const struct native_head *payload,
					      const void *end, __u32 bytes)
{
	const struct native_request *request = (const void *)payload;
	const struct native_knock *knock = (const void *)payload;
	enum reason reason = native_form(payload, end, bytes);

	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (UNLIKELY(payload->kind == NATIVE_KNOCK)) {
		__u64 until = NATIVE_BE64(knock->until);
		if (!native->until_max)
			return NATIVE_KIND;
		reason = native_knock_chain(native, knock->chain_id);
		if (reason != REASON_OK)
			return reason;
		return until < native->until_min ? NATIVE_EXPIRED : until > native->until_max ? NATIVE_FAR : REASON_OK;
	}
	reason = native_terms(native, request);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	__u64 deadline = NATIVE_BE64(request->deadline);
	if (UNLIKELY(NATIVE_BE64(request->valid_after) > native->valid_after_max))
		return NATIVE_EARLY;
	if (UNLIKELY(deadline < native->deadline_min))
		return NATIVE_EXPIRED;
	return UNLIKELY(deadline > native->deadline_max) ? NATIVE_FAR : REASON_OK;
}

/* --- repeats ---------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE __u64 native_tag(const struct tollbar_native *native, const struct native_request *request)
{
	return tollbar_tag(native->tag_key, (const __u32 *)&request->chain_id, (const void *)request->payer,
			   (const void *)request->nonce);
}

/* The place with this nonce's mark, or 0: nobody claimed it, as far as is known here. */
static ALWAYS_INLINE struct tollbar_replay *native_marked(struct tollbar_replays *line,
							  const struct native_request *request)
{
	__u32 mark = tollbar_replay_mark((const void *)request->nonce);

	for (__u32 i = 0; i < TOLLBAR_REPLAYS_IN_LINE; i++)
		if (UNLIKELY(line->replays[i].mark == mark))
			return &line->replays[i];
	return 0;
}

/* May a repeat pass now?  Each CPU may think so once: two packets at the same moment both pass. */
static ALWAYS_INLINE int native_repeat_passes(struct tollbar_replay *replay, __u64 now_ns)
{
	__u32 now_tick = (__u32)(now_ns >> TOLLBAR_REPLAY_TICK);

	if ((__s32)(now_tick - replay->pass_tick) < 0)
		return 0;
	replay->pass_tick = now_tick + TOLLBAR_REPLAY_TICKS;
	return 1;
}

/* --- cookies ---------------------------------------------------------------------------------------------------- */

/* A frame → the answer to it, in place; tags stay.  The answer is struct native_cookie_reply behind headers without options.
 * ports: as they came.  The frame already ends where the answer will; 0: it does not. */
#define NATIVE_REPLY_BYTES ((__u32)(sizeof(struct udphdr) + sizeof(struct native_cookie_reply)))

static ALWAYS_INLINE void native_rewrite_udp(__u32 *udp, __u64 pseudo, __u32 ports, __u64 cookie, __u64 echo)
{
	udp[0] = ports << 16 | ports >> 16;
	udp[1] = BE32(NATIVE_REPLY_BYTES << 16);
	udp[2] = NATIVE_MAGIC_WORD;
	udp[3] = BE32((__u32)NATIVE_COOKIE_REPLY << 24 | (__u32)sizeof(struct native_cookie_reply));
	__builtin_memcpy(udp + 4, &cookie, sizeof cookie);
	__builtin_memcpy(udp + 6, &echo, sizeof echo);
	__u16 sum = reply_checksum(pseudo + BE16(IPPROTO_UDP + NATIVE_REPLY_BYTES) + reply_sum(udp, 8));
	*((__u16 *)(udp + 1) + 1) = sum ? sum : 0xffff; /* 0 would say that there is none */
}

/* ip_bytes: of the IP header, which says the version. */
static ALWAYS_INLINE int native_rewrite(void *data, const void *data_end, __u32 ip_at, __u32 ip_bytes, __u32 ports,
					__u64 cookie, __u64 echo)
{
	__u32 *ip = (void *)((__u8 *)data + ip_at), *udp = ip + ip_bytes / 4;

	if ((__u8 *)udp + NATIVE_REPLY_BYTES > (__u8 *)data_end ||
	    (__u8 *)data + sizeof(struct ethhdr) > (__u8 *)data_end)
		return 0;
	__u64 pseudo = ip_bytes == sizeof(struct iphdr) ? reply_ip4(ip, IPPROTO_UDP, NATIVE_REPLY_BYTES)
							: reply_ip6(ip, IPPROTO_UDP, NATIVE_REPLY_BYTES);
	native_rewrite_udp(udp, pseudo, ports, cookie, echo);
	reply_swap_macs(data);
	return 1;
}

#ifdef __bpf__
/* Where the UDP header is, for functions of their own, which the BPF verifier walks without their caller: none of it may lie
 * beyond the frame.  0: it does, which cannot be. */
static ALWAYS_INLINE const struct udphdr *native_udp(const struct xdp_md *ctx, __u32 l4_at)
{
	__u64 at = l4_at;

	barrier_var(at); /* the bounds are to be known of this very register */
	if (at > NATIVE_L4_AT_MAX)
		return 0;
	const struct udphdr *udp = (const void *)((const __u8 *)(long)ctx->data + at);
	return (const void *)(udp + 1) > (const void *)(long)ctx->data_end ? 0 : udp;
}

/* What a sender has to show, and what he shows. */
struct native_sender {
	struct tollbar_address source __attribute__((aligned(8)));
	__u32 ports; /* both, as they came */
	__u64 shown; /* his cookie; 0: none */
	__u64 echo;
};

/* The datagram was found to be well formed; 0: it is not there any more, which cannot be. */
static ALWAYS_INLINE int native_read(struct native_sender *sender, struct xdp_md *ctx, __u32 l4_at)
{
	const void *data_end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = native_udp(ctx, l4_at);
	const struct native_knock *knock = (const void *)(udp + 1);
	const struct native_request *request = (const void *)(udp + 1);
	__u32 cookie_at = l4_at + (__u32)(sizeof *udp + sizeof *request);

	sender->shown = 0;
	if (!udp || (const void *)(knock + 1) > data_end)
		return 0;
	sender->ports = *(const __u32 *)udp;
	if (knock->head.kind == NATIVE_KNOCK) {
		sender->echo = knock->until;
		sender->shown = *(const __u64 *)knock->cookie;
		return 1;
	}
	if ((const void *)(request + 1) > data_end)
		return 0;
	sender->echo = *(const __u64 *)request->nonce;
	cookie_at += BE32(request->calldata_bytes);
	return !(request->flags & BE16(NATIVE_FLAG_COOKIE)) ||
	       !bpf_xdp_load_bytes(ctx, cookie_at, &sender->shown, sizeof sender->shown);
}

static ALWAYS_INLINE enum reason native_reply(struct xdp_md *ctx, __u32 ip_at, __u32 ip_bytes,
					      const struct native_sender *sender, __u64 cookie)
{
	__u32 reply_bytes = ip_at + ip_bytes + NATIVE_REPLY_BYTES;

	if (bpf_xdp_adjust_tail(ctx, (int)reply_bytes - (int)bpf_xdp_get_buff_len(ctx)) != 0)
		return NATIVE_LENGTH; /* cannot be: the answer is shorter */
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	return native_rewrite(data, data_end, ip_at, ip_bytes, sender->ports, cookie, sender->echo) ? NATIVE_COOKIE
												    : NATIVE_LENGTH;
}

/* REASON_OK: the sender showed his cookie, or the daemon is to ask him for it.  NATIVE_COOKIE: the frame is the answer now. */
__attribute__((noinline)) int native_prove(struct xdp_md *ctx, __u32 ip_at, __u32 l4_at, __u32 version, __u32 word)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *data_end = (const __u8 *)(long)ctx->data_end;
	const void *key = policy.native.cookie_key;
	__u64 epoch = native_epoch(bpf_ktime_get_coarse_ns());
	struct native_sender sender;

	if (data + sizeof(struct ethhdr) > data_end || !packet_source_at(&sender.source, ctx, ip_at, version) ||
	    !native_read(&sender, ctx, l4_at))
		return NATIVE_LENGTH; /* cannot be */
	if (data[0] & 1)	      /* sent to a group: an answer would have no address to come from */
		return NATIVE_FIELD;
	__u16 port = BE16(*(const __u16 *)&sender.ports);
	__u64 cookie = native_cookie(key, &sender.source, port, epoch);
	if (sender.shown == cookie || !(word & TOLLBAR_COOKIES_SENT) ||
	    (sender.shown && sender.shown == native_cookie(key, &sender.source, port, epoch - 1)))
		return REASON_OK;
	if (word & TOLLBAR_OBSERVE)
		return NATIVE_COOKIE;
	return version == 4 ? native_reply(ctx, ip_at, sizeof(struct iphdr), &sender, cookie)
			    : native_reply(ctx, ip_at, sizeof(struct ipv6hdr), &sender, cookie);
}

/* Does this datagram need a cookie now?  The time is the daemon's, which costs nothing; a second more or less tells nothing
 * here. */
static ALWAYS_INLINE int native_cookie_asked(__u32 kind, __u32 word)
{
	__u32 key = 0;

	if (kind == NATIVE_KNOCK || word & TOLLBAR_COOKIES)
		return 1;
	if (!(word & TOLLBAR_COOKIES_AUTO))
		return 0;
	struct tollbar_flood *flood = bpf_map_lookup_elem(&unproved, &key);
	return flood && flood_count(flood, policy.native.cookies_per_s, policy.native.tick_ns);
}

static ALWAYS_INLINE int native_payer_listed(const struct native_head *payload, __u32 word)
{
	const __u8 *at = ((const struct native_request *)payload)->payer; /* a knock's is in the same place */
	struct tollbar_payer payer = {*(const __u64 *)at, *(const __u64 *)(at + 8), *(const __u32 *)(at + 16), 0};

	return payers_listed(&policy.native.payers[(word & TOLLBAR_PAYERS_GENERATION) != 0], &payer);
}

static ALWAYS_INLINE struct tollbar_replays *native_line(const struct native_request *request)
{
	__u32 key = tollbar_replay_line((const void *)request->nonce);

	return bpf_map_lookup_elem(&replays, &key);
}

/* The place of a request's nonce, if it was claimed. */
static ALWAYS_INLINE struct tollbar_replay *native_claimed(const struct native_request *request)
{
	struct tollbar_replays *line = native_line(request);
	struct tollbar_replay *marked = line ? native_marked(line, request) : 0;

	return UNLIKELY(marked) && marked->tag == native_tag(&policy.native, request) ? marked : 0;
}

/* Fetches what native_admit and the buckets will ask, while the lists of sources are asked. */
static ALWAYS_INLINE void native_fetch(const struct xdp_md *ctx, const struct native_request *request, __u32 ip_at,
				       __u32 version, __u32 word)
{
	struct tollbar_address source __attribute__((aligned(8)));
	const struct tollbar_replays *line = native_line(request);

	if (line)
		FETCH(line->replays[0].tag);
	if (word & TOLLBAR_LIMITED && packet_source_at(&source, ctx, ip_at, version))
		bucket_fetch(&source, version);
}

/* A datagram to a native port, by what it says alone: REASON_OK, or why it is dropped.  A function of its own, which the BPF
 * verifier walks once, instead of in every way that leads here. */
__attribute__((noinline)) int native_check(struct xdp_md *ctx, __u32 ip_at, __u32 l4_at, __u32 version, __u32 word)
{
	const void *data_end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = native_udp(ctx, l4_at);
	const struct native_head *payload = (const void *)(udp + 1);
	const struct native_request *request = (const void *)payload;

	if (!udp)
		return NATIVE_LENGTH;
	enum reason reason = native_sieve(&policy.native, payload, data_end, BE16(udp->len) - (__u32)sizeof *udp);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (LIKELY(word & TOLLBAR_HAS_PAYERS) && !native_payer_listed(payload, word))
		return NATIVE_PAYER;
	if ((const void *)(request + 1) <= data_end) /* no knock */
		native_fetch(ctx, request, ip_at, version, word);
	return REASON_OK;
}

/* What native_check found nothing against, and the source neither: REASON_OK; or NATIVE_COOKIE, and the frame is the answer. */
__attribute__((noinline)) int native_admit(struct xdp_md *ctx, __u32 ip_at, __u32 l4_at, __u32 version, __u32 word)
{
	const void *data_end = (const void *)(long)ctx->data_end;
	const struct udphdr *udp = native_udp(ctx, l4_at);
	const struct native_head *payload = (const void *)(udp + 1);
	const struct native_request *request = (const void *)payload;
	struct tollbar_replay *claimed = 0;

	if (!udp || (const void *)(payload + 1) > data_end)
		return NATIVE_LENGTH; /* cannot be */
	__u32 kind = payload->kind;
	if (LIKELY(kind == NATIVE_REQUEST) && (const void *)(request + 1) <= data_end)
		claimed = native_claimed(request);
	if (UNLIKELY(native_cookie_asked(kind, word))) {
		enum reason reason = native_prove(ctx, ip_at, l4_at, version, word);
		if (reason != REASON_OK)
			return reason;
	}
	/* whoever has to prove himself first uses up nobody's repeat */
	return LIKELY(!claimed) || native_repeat_passes(claimed, bpf_ktime_get_coarse_ns()) ? REASON_OK : NATIVE_REPLAY;
}

/* OPENED_NATIVE: it is to a native port; or 0. */
static ALWAYS_INLINE __u32 native_asked(const struct packet *packet, __u32 word)
{
	if (LIKELY(packet->protocol == IPPROTO_TCP) || !(word & TOLLBAR_NATIVE))
		return 0;
	__u16 port = packet_port(packet);
	return (policy.native.ports[port / 64u] >> (port % 64u) & 1) * OPENED_NATIVE;
}
#endif

#endif
