// SPDX-License-Identifier: Apache-2.0
#include "sys/filter_maps.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/hook.h"
#include "sys/syncookies.h"
#include "sys/pins.h"

#define PAGE_BYTES 4096
#define POLICY_MAP_BYTES ((sizeof(struct tollbar_policy) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES)
#define REPLAYS_MAP_BYTES (TOLLBAR_REPLAY_LINES * sizeof(struct tollbar_replays))
#define TOPS_MAP_BYTES \
	((TOLLBAR_GENERATIONS * sizeof(struct tollbar_lists_top) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES)

static const struct {
	const char *name, *pin; /* in the BPF file system no name has a dot */
	uint32_t type, key_bytes, value_bytes;
} map_table[MAP_CNT] = {
	[MAP_ABI] = {TOLLBAR_MAP_ABI, "abi", BPF_MAP_TYPE_ARRAY, 4, 4},
	[MAP_POLICY] = {TOLLBAR_MAP_POLICY, "policy", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_policy)},
	[MAP_COUNTERS] = {TOLLBAR_MAP_COUNTERS, "counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			  sizeof(struct tollbar_counters)},
	[MAP_STANDING] = {TOLLBAR_MAP_STANDING, "standing", BPF_MAP_TYPE_HASH, sizeof(struct tollbar_address),
			  sizeof(struct tollbar_standing)},
	[MAP_TOPS] = {TOLLBAR_MAP_TOPS, "tops", BPF_MAP_TYPE_ARRAY, 4,
		      TOLLBAR_GENERATIONS * sizeof(struct tollbar_lists_top)},
	[MAP_LISTS] = {TOLLBAR_MAP_LISTS, "lists", BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4},
	[MAP_REPLAYS] = {TOLLBAR_MAP_REPLAYS, "replays", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_replays)},
	[MAP_PAYERS] = {TOLLBAR_MAP_PAYERS, "payers", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_payers)},
	[MAP_OPENED] = {TOLLBAR_MAP_OPENED, "opened", BPF_MAP_TYPE_HASH, sizeof(struct tollbar_address),
			sizeof(struct tollbar_opened)},
	[MAP_NEXT] = {TOLLBAR_MAP_NEXT, NULL, BPF_MAP_TYPE_PROG_ARRAY, 4, 4}, /* not in the program for `ip link` */
	[MAP_TRACE] = {TOLLBAR_MAP_TRACE, "trace", BPF_MAP_TYPE_RINGBUF, 0, 0},
	[MAP_TRACING] = {TOLLBAR_MAP_TRACING, "tracing", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct tollbar_tracing)},
};

/* --- open filter ------------------------------------------------------------------------------------------------ */

/* What the kernel says of a map fits what we mean by its name: which one it is; MAP_CNT: none of ours; -EPROTO. */
static int map_known(int fd, uint32_t *id)
{
	struct bpf_map_info info = {0};
	uint32_t info_bytes = sizeof info;
	int err = bpf_obj_get_info_by_fd(fd, &info, &info_bytes);

	*id = info.id;
	for (int i = 0; err == 0 && i < MAP_CNT; i++) {
		if (strcmp(info.name, map_table[i].name) != 0)
			continue;
		bool fits = info.type == map_table[i].type && info.key_size == map_table[i].key_bytes &&
			    info.value_size == map_table[i].value_bytes;
		return fits ? i : -EPROTO;
	}
	return err != 0 ? err : MAP_CNT;
}

/* Keeps map id's descriptor when it is one of ours. */
static int map_keep(struct filter *filter, uint32_t id)
{
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return fd;
	int known = map_known(fd, &id);
	if (known >= 0 && known < MAP_CNT)
		filter->map_fds[known] = fd;
	else
		close(fd);
	return known < 0 ? known : 0;
}

/* One map that filter_share pinned, if it is the program's.  -EPERM: there is none, or another program's, from before. */
static int map_keep_pinned(struct filter *filter, int map, const char *iface, const uint32_t *map_ids, uint32_t id_cnt)
{
	int fd = pins_get(iface, map_table[map].pin);
	uint32_t id;

	if (fd < 0)
		return -EPERM;
	filter->map_fds[map] = fd;
	if (map_known(fd, &id) != map)
		return -EPROTO;
	for (uint32_t i = 0; i < id_cnt; i++)
		if (map_ids[i] == id)
			return 0;
	return -EPERM;
}

/* Without privilege. */
static int maps_find_pinned(struct filter *filter, const char *iface, const uint32_t *map_ids, uint32_t id_cnt)
{
	int err = 0;

	filter->pinned = true;
	for (int i = 0; err == 0 && i < MAP_CNT; i++)
		if (map_table[i].pin != NULL)
			err = map_keep_pinned(filter, i, iface, map_ids, id_cnt);
	return err;
}

static int maps_find(struct filter *filter, const char *iface, int program_fd)
{
	uint32_t map_ids[64], key = 0, abi = 0;
	struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)map_ids};
	uint32_t info_bytes = sizeof info;
	int err = bpf_obj_get_info_by_fd(program_fd, &info, &info_bytes);
	uint32_t id_cnt = info.nr_map_ids < 64 ? info.nr_map_ids : 64;

	filter->program_id = info.id;
	for (uint32_t i = 0; err == 0 && i < id_cnt; i++)
		err = map_keep(filter, map_ids[i]);
	if (err == -EPERM)
		err = maps_find_pinned(filter, iface, map_ids, id_cnt);
	for (size_t i = 0; err == 0 && i < MAP_CNT; i++)
		if (filter->map_fds[i] < 0 && i != MAP_NEXT)
			err = -EPROTO;
	if (err == 0 && bpf_map_lookup_elem(filter->map_fds[MAP_ABI], &key, &abi) == 0 && abi != TOLLBAR_ABI)
		err = -EPROTO;
	if (err == -EPROTO)
		log_error("event=filter_open error=\"the attached program speaks another version\" want=%u got=%u",
			  TOLLBAR_ABI, abi);
	return err;
}

static int pages_map(struct filter *filter)
{
	const int prot = PROT_READ | PROT_WRITE;

	filter->policy = mmap(NULL, POLICY_MAP_BYTES, prot, MAP_SHARED, filter->map_fds[MAP_POLICY], 0);
	filter->tops = mmap(NULL, TOPS_MAP_BYTES, prot, MAP_SHARED, filter->map_fds[MAP_TOPS], 0);
	filter->replays = mmap(NULL, REPLAYS_MAP_BYTES, prot, MAP_SHARED, filter->map_fds[MAP_REPLAYS], 0);
	return filter->policy == MAP_FAILED || filter->tops == MAP_FAILED || filter->replays == MAP_FAILED ? -errno : 0;
}

/* Opens the filter of a loaded program, attached or not. */
static int filter_open_program(struct filter **opened, const char *iface, int program_fd)
{
	struct filter *filter = calloc(1, sizeof *filter);
	int cpu_cnt = libbpf_num_possible_cpus();

	*opened = NULL;
	if (filter == NULL || cpu_cnt < 0) {
		free(filter);
		return filter == NULL ? -ENOMEM : cpu_cnt;
	}
	memset(filter->map_fds, -1, sizeof filter->map_fds);
	filter->policy = MAP_FAILED;
	filter->tops = MAP_FAILED;
	filter->replays = MAP_FAILED;
	filter->cpu_cnt = (size_t)cpu_cnt;
	filter->per_cpu = calloc(filter->cpu_cnt, sizeof *filter->per_cpu);
	int err = filter->per_cpu == NULL ? -ENOMEM : maps_find(filter, iface, program_fd);
	if (err == 0)
		err = pages_map(filter);
	if (err == 0)
		*opened = filter;
	else
		filter_close(filter);
	return err;
}

int filter_open(struct filter **filter, const char *iface)
{
	bool generic;
	int program_fd = hook_find(iface, &generic);

	*filter = NULL;
	if (program_fd < 0)
		return program_fd;
	int err = filter_open_program(filter, iface, program_fd);
	close(program_fd);
	if (err == 0)
		(*filter)->generic = generic;
	return err;
}

/* The new pages come to where the old ones were: other threads hold that address. */
static int pages_move(void *to, void **from, size_t bytes)
{
	if (mremap(*from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		return -errno;
	*from = MAP_FAILED; /* it has moved */
	return 0;
}

/* Takes over another filter's maps, and ends that one.  Each exchange is one step, and the numbers other threads know
 * stay: whoever is in the middle of a call ends it on the old map or on the new one. */
static int filter_move(struct filter *filter, struct filter *from)
{
	int err = pages_move(filter->policy, (void **)&from->policy, POLICY_MAP_BYTES);

	if (err == 0)
		err = pages_move(filter->tops, (void **)&from->tops, TOPS_MAP_BYTES);
	if (err == 0)
		err = pages_move(filter->replays, (void **)&from->replays, REPLAYS_MAP_BYTES);
	for (size_t i = 0; err == 0 && i < MAP_CNT; i++) {
		if (filter->map_fds[i] >= 0 && from->map_fds[i] >= 0) {
			err = dup3(from->map_fds[i], filter->map_fds[i], O_CLOEXEC) < 0 ? -errno : 0;
		} else if (from->map_fds[i] >= 0) { /* `next`, which no other thread uses */
			filter->map_fds[i] = from->map_fds[i];
			from->map_fds[i] = -1;
		}
	}
	if (err == 0)
		filter->program_id = from->program_id; /* else it is tried again */
	filter->pinned = from->pinned;
	filter_close(from);
	return err;
}

int filter_refind(struct filter *filter, const char *iface)
{
	struct filter *found;
	bool generic;
	int program_fd = hook_find(iface, &generic);

	if (program_fd == -ENOENT || program_fd == -ENODEV)
		filter->lost = true;
	if (program_fd < 0)
		return program_fd;
	bool same = hook_program_id(program_fd) == filter->program_id;
	int err = same ? 0 : filter_open_program(&found, iface, program_fd);
	close(program_fd);
	if (err != 0)
		return err;
	filter->generic = generic;
	if (same) {
		filter->lost = false;
		return 0;
	}
	err = filter_move(filter, found);
	filter->lost = err != 0;
	return err != 0 ? err : 1;
}

int filter_share(struct filter *filter, const char *iface, gid_t group)
{
	const char *names[HOOK_PINS + MAP_CNT];
	size_t cnt;
	int err = pins_last() ? hook_share(iface, names, &cnt) : -EOPNOTSUPP;

	for (size_t i = 0; err == 0 && i < MAP_CNT; i++) {
		if (map_table[i].pin == NULL)
			continue;
		err = pins_put(filter->map_fds[i], iface, map_table[i].pin);
		names[cnt++] = map_table[i].pin;
	}
	return err == 0 ? pins_share(iface, names, cnt, group) : err;
}

void filter_close(struct filter *filter)
{
	if (filter == NULL)
		return;
	if (filter->policy != MAP_FAILED)
		munmap(filter->policy, POLICY_MAP_BYTES);
	if (filter->tops != MAP_FAILED)
		munmap(filter->tops, TOPS_MAP_BYTES);
	if (filter->replays != MAP_FAILED)
		munmap(filter->replays, REPLAYS_MAP_BYTES);
	for (size_t i = 0; i < MAP_CNT; i++)
		if (filter->map_fds[i] >= 0)
			close(filter->map_fds[i]);
	free(filter->per_cpu);
	free(filter);
}

/* --- policy ----------------------------------------------------------------------------------------------------- */

void filter_word_change(struct filter *filter, uint32_t clear, uint32_t set)
{
	uint32_t was = __atomic_load_n(&filter->policy->word, __ATOMIC_RELAXED), now;

	do
		now = (was & ~clear) | set;
	while (!__atomic_compare_exchange_n(&filter->policy->word, &was, now, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}

void filter_ports_write(__u64 *words, const uint16_t *ports, size_t cnt)
{
	uint64_t wanted[TOLLBAR_PORT_WORDS] = {0};

	for (size_t i = 0; i < cnt; i++)
		wanted[ports[i] / 64] |= 1ull << ports[i] % 64;
	for (size_t i = 0; i < TOLLBAR_PORT_WORDS; i++)
		if (words[i] != wanted[i])
			__atomic_store_n(&words[i], wanted[i], __ATOMIC_RELAXED);
}

int filter_set_ports(struct filter *filter, const uint16_t *tcp, size_t tcp_cnt, const uint16_t *udp, size_t udp_cnt)
{
	for (size_t i = 0; i < tcp_cnt; i++)
		if (tcp[i] == 0)
			return -EINVAL;
	for (size_t i = 0; i < udp_cnt; i++)
		if (udp[i] == 0)
			return -EINVAL;
	filter_ports_write(filter->policy->tcp_ports, tcp, tcp_cnt);
	filter_ports_write(filter->policy->udp_ports, udp, udp_cnt);
	filter_word_change(filter, TOLLBAR_ARMED, tcp_cnt + udp_cnt > 0 ? TOLLBAR_ARMED : 0);
	return 0;
}

void filter_set_mode(struct filter *filter, enum filter_mode mode, bool observe)
{
	filter_word_change(filter, TOLLBAR_MODE_ALLOW | TOLLBAR_OBSERVE,
			   (mode == FILTER_ALLOW ? TOLLBAR_MODE_ALLOW : 0) | (observe ? TOLLBAR_OBSERVE : 0));
}

void filter_set_checksum(struct filter *filter, bool check)
{
	filter_word_change(filter, TOLLBAR_CHECKSUM, check ? TOLLBAR_CHECKSUM : 0);
}

void filter_set_fail(struct filter *filter, bool closed)
{
	filter_word_change(filter, TOLLBAR_FAIL_CLOSED, closed ? TOLLBAR_FAIL_CLOSED : 0);
}

void filter_set_alive(struct filter *filter, unsigned seconds)
{
	__atomic_store_n(&filter->policy->alive_until_ns, seconds > 0 ? clock_ns() + seconds * 1000000000ull : 0,
			 __ATOMIC_RELAXED);
}

/* A map of programs forgets them when no process and no pin holds it any more, so it is pinned. */
static int next_put(struct filter *filter, const char *iface, int program_fd)
{
	uint32_t key = 0;
	int err = pins_last() ? pins_put(filter->map_fds[MAP_NEXT], iface, "next") : -EOPNOTSUPP;

	if (err == 0)
		err = bpf_map_update_elem(filter->map_fds[MAP_NEXT], &key, &program_fd, BPF_ANY);
	if (err == 0)
		filter_word_change(filter, 0, TOLLBAR_NEXT);
	else
		log_error("event=next interface=%s error=\"%s\" help=\"%s\"", iface, strerror(-err),
			  err == -EINVAL       ? "it must be an XDP program that takes frames in buffers as ours does: "
						 "section xdp.frags, or xdp where ip link put ours from section xdp"
			  : err == -EOPNOTSUPP ? "needs a lasting " PINS_FOLDER
					       : "-");
	return err;
}

int filter_set_next(struct filter *filter, const char *iface, const char *pinned)
{
	uint32_t key = 0;

	if (filter->map_fds[MAP_NEXT] < 0) {
		log_error("event=next interface=%s error=\"the program of section " TOLLBAR_SECTION_FRAGS
			  " has no next\" help=\"tollbar attach\"",
			  iface);
		return -EOPNOTSUPP;
	}
	if (pinned == NULL) {
		filter_word_change(filter, TOLLBAR_NEXT, 0);
		bpf_map_delete_elem(filter->map_fds[MAP_NEXT], &key);
		return 0;
	}
	int program_fd = bpf_obj_get(pinned);
	if (program_fd < 0) {
		log_error("event=next interface=%s pinned=%s error=\"%s\"", iface, pinned, strerror(-program_fd));
		return program_fd;
	}
	int err = next_put(filter, iface, program_fd);
	close(program_fd);
	return err;
}

/* A rate as the kernel keeps it: nanoseconds for one, and for as many as may come at once. */
static void pace_write(__u64 *one_ns, __u64 *burst_ns, unsigned per_s, unsigned burst)
{
	uint64_t ns = per_s == 0 ? 0 : 1000000000u / per_s;

	/* The burst first when there is no limit yet: a pace without its burst would refuse everything. */
	__atomic_store_n(burst_ns, ns * (burst == 0 ? per_s : burst), __ATOMIC_RELAXED);
	__atomic_store_n(one_ns, ns, __ATOMIC_RELEASE);
}

/* Made once for as long as the program is loaded: with another key every source would start with a full bucket. */
static int key_write(struct tollbar_limits *limits)
{
	uint64_t key[2];

	if (limits->key[0] != 0)
		return 0;
	if (getrandom(key, sizeof key, 0) != sizeof key)
		return -EIO;
	limits->key[1] = key[1];
	limits->key[0] = key[0] | 1; /* never zero */
	return 0;
}

int filter_set_limits(struct filter *filter, const struct config_limits *limits)
{
	struct tollbar_limits *policy = &filter->policy->limits;
	bool any = limits->packets_per_s != 0 || limits->connections_per_s != 0;
	uint64_t ip6_mask = htobe64(~UINT64_C(0) << (64 - limits->limit_ip6_bits));
	int err = key_write(policy);

	if (err != 0)
		return err;
	policy->ip4_mask = htonl(~UINT32_C(0) << (32 - limits->limit_ip4_bits));
	memcpy(policy->ip6_mask, &ip6_mask, sizeof ip6_mask);
	pace_write(&policy->packet_ns, &policy->packet_burst_ns, limits->packets_per_s, limits->packets_burst);
	pace_write(&policy->connection_ns, &policy->connection_burst_ns, limits->connections_per_s,
		   limits->connections_burst);
	filter_word_change(filter, TOLLBAR_LIMITED | TOLLBAR_LIMIT_LISTED,
			   (any ? TOLLBAR_LIMITED : 0) | (limits->limit_listed ? TOLLBAR_LIMIT_LISTED : 0));
	return 0;
}

void filter_set_syn_cookies(struct filter *filter, enum config_syn_cookies cookies, unsigned per_s)
{
	__atomic_store_n(&filter->policy->syns_per_s, per_s, __ATOMIC_RELEASE);
	filter_word_change(filter, TOLLBAR_SYN_COOKIES | TOLLBAR_SYN_AUTO,
			   cookies == SYN_COOKIES_ON	 ? TOLLBAR_SYN_COOKIES
			   : cookies == SYN_COOKIES_AUTO ? TOLLBAR_SYN_AUTO
							 : 0);
	if (cookies != SYN_COOKIES_OFF && syncookies_kernel() == 0)
		log_warn("event=syn_cookies error=\"the kernel makes none\" help=\"sysctl net.ipv4.tcp_syncookies=1: "
			 "when "
			 "the queue of pending connections is full; =2: always\"");
}

struct filter_state filter_state(const struct filter *filter)
{
	uint32_t word = __atomic_load_n(&filter->policy->word, __ATOMIC_RELAXED);

	return (struct filter_state){.armed = word & TOLLBAR_ARMED,
				     .lost = filter->lost,
				     .generic = filter->generic,
				     .pinned = filter->pinned,
				     .lists = word & TOLLBAR_HAS_LISTS,
				     .observe = word & TOLLBAR_OBSERVE,
				     .checksum = word & TOLLBAR_CHECKSUM,
				     .fail_closed = word & TOLLBAR_FAIL_CLOSED,
				     .next = word & TOLLBAR_NEXT,
				     .native = word & TOLLBAR_NATIVE,
				     .has_payers = word & TOLLBAR_HAS_PAYERS,
				     .mode = word & TOLLBAR_MODE_ALLOW ? FILTER_ALLOW : FILTER_OPEN};
}

/* --- counters --------------------------------------------------------------------------------------------------- */

int filter_counters(struct filter *filter, struct tollbar_counters *sum)
{
	uint32_t key = 0;
	int err = bpf_map_lookup_elem(filter->map_fds[MAP_COUNTERS], &key, filter->per_cpu);

	*sum = (struct tollbar_counters){0};
	for (size_t cpu = 0; err == 0 && cpu < filter->cpu_cnt; cpu++)
		for (size_t reason = 0; reason < TOLLBAR_REASON_CNT; reason++) {
			sum->packets[reason] += filter->per_cpu[cpu].packets[reason];
			sum->observed[reason] += filter->per_cpu[cpu].observed[reason];
		}
	return err;
}
