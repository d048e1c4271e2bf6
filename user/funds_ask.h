/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_ASK_H
#define TOLLBAR_FUNDS_ASK_H
/* funds_ask.h: one thread for each chain that asks its node.  What has arrived goes out in one HTTP request (a JSON-RPC
 * batch, and in it one call of Multicall3 where the chain has it); what arrives while `in_flight` of those are under way
 * goes with the next.  No request waits to fill a batch; questions nobody waits for do, for an eighth of max_age_s.
 *
 * Before its first question the asker sees whether chain and offers agree (funds_sanity.h).  As long as it has not, or when
 * they do not, every question ends as if the node were down. */
#include "base/mailbox.h"
#include "config.h"
#include "funds_accounts.h"
#include "funds_batch.h"

struct asker;

/* After a failure nothing is asked for so long.  A constant but for tests, which shorten it before the start. */
extern unsigned asker_down_ms;

struct question {
	struct mail mail;    /* to the asker and back; arrived is the owner's */
	struct mailbox *box; /* the owner's */
	uint32_t account;    /* with WANT_VIEW: pinned */
	struct account_key key;
	uint8_t wants; /* enum batch_want; WANT_SIGNATURE alone, since that code is a stranger's */
	/* of WANT_NONCE and WANT_SIGNATURE; borrowed */
	const struct payment *payment;
	struct word digest;
	uint16_t share; /* of WANT_SIGNATURE: whose, of the shares of strangers; 0: nobody's */
	/* out */
	int error; /* 0: what was wanted is known */
	bool nonce_used, signature_holds;
};

struct asker_config {
	const struct config_chain *chain;
	const struct account_rules *rules;
	const struct offer *offers; /* of any chain, domain separators filled in */
	size_t offer_cnt;
	struct accounts *accounts;
};

enum asker_state {
	ASKER_UNCHECKED, /* the node has not answered yet */
	ASKER_SOUND,
	ASKER_WRONG, /* configuration and chain disagree; logged */
};

struct asker_stats {
	uint64_t requests; /* HTTP requests sent */
	uint64_t calls;	   /* contract calls and code lookups in them */
	uint64_t errors;   /* requests without a usable answer */
	uint64_t ahead;	   /* accounts looked at again before their view was too old */
	bool down;	   /* the last one failed */
};

/* 0 or -errno. */
int asker_start(struct asker **out, const struct asker_config *config);
/* Ends every question (-ECANCELED) and the thread. */
void asker_stop(struct asker *asker);
enum asker_state asker_state(struct asker *asker);
/* The last answer failed a moment ago: there is no point in asking. */
bool asker_is_down(const struct asker *asker);
/* A question about a signature that is not its payer's key's is a stranger's: one share of them, which is a source, may have
 * so many waiting or under way. */
#define ASKER_SHARES 1024
#define ASKER_SHARE_MAX 8
/* False, and nothing is asked: enough signatures wait, in all or of this share; strangers may not fill the line. */
bool asker_put(struct asker *asker, struct question *question) __attribute__((warn_unused_result));
/* Another view of this account, which was pinned for it; nobody waits. */
void asker_ahead(struct asker *asker, const struct account_key *key, uint32_t account);
void asker_stats(struct asker *asker, struct asker_stats *stats);
/* Memory of one asker. */
size_t asker_bytes(const struct config_chain *chain);

#endif
