// SPDX-License-Identifier: Apache-2.0
/* native: paid requests by datagram (native.h), all signed before the first is sent, each used once.
 *
 *   native --count N [OPTIONS] URL       http://A.B.C.D:PORT/PATH of a route that is offered by datagram too: its challenge says
 *                                        where
 *     --keys K        payers, who take turns; default 1
 *     --first-key I   the first of them, so that another run has others; default 1
 *     --warm          each payer sends a request first, which is not measured
 *     --window W      requests without a receipt at one time; default 256
 *     --sockets S     they come from, in turn; default 16
 *     --server PID    measures that process's CPU time, all its threads, from the first request until a moment after the last
 *                     receipt
 *   native --recover N                   CPU time of secp256k1_ecdsa_recover, N times in a loop
 *
 * Prints one "name value" a line: taken (receipts that say so), refused, lost, seconds, rate (taken a second), server_ns (CPU of one
 * that was taken); recover_ns.  The exit status is 1 unless all were taken. */
#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <secp256k1_recovery.h>
#include <stdbool.h>
#include <time.h>

#include "calldata.h"
#include "challenge.h"
#include "native_client.h"

enum { BURST = 64, SOCKETS_MAX = 64, LOST_MS = 2000, MOMENT_MS = 100 };

static const char body[] = "{\"model\":\"stand-in\",\"messages\":[{\"role\":\"user\",\"content\":\"Say something, "
			   "please: what is a toll bar, and who was "
			   "it that opened it?\"}],\"temperature\":0.7,\"max_tokens\":64}";

static struct {
	unsigned count, keys, first_key, window, sockets;
	pid_t server;
	bool warm;
	const char *url;
} want = {.keys = 1, .first_key = 1, .window = 256, .sockets = 16};

struct payer {
	struct signer *signer;
};

static struct native_datagram *datagrams;
static unsigned made_cnt;
static int sockets[SOCKETS_MAX];
static struct {
	unsigned sent, taken, refused;
} now;

/* --- making them --- */

static struct signer *signer_of(unsigned number)
{
	uint8_t key[32] = {0x42}, seed[32];

	memcpy(key + 28, &number, sizeof(number));
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		fail("randomness");
	struct signer *signer = sign_init(key, seed);
	if (signer == NULL)
		fail("key");
	return signer;
}

static void make_one(struct native_wish *wish, const struct signer *signer)
{
	if (getrandom(wish->salt, sizeof(wish->salt), 0) != sizeof(wish->salt) ||
	    !native_client_request(&datagrams[made_cnt++], wish, signer))
		fail("signing");
}

/* First one of each payer if they warm up, then all that are measured, payers by turns. */
static void make_all(const struct pay_challenge *challenge)
{
	static uint8_t calldata[CALLDATA_BYTES_MAX];
	unsigned warm_cnt = want.warm ? want.keys : 0;
	bool too_dear;
	struct native_wish wish = {.offer = pay_choose(challenge, METHOD_EIP3009, NULL, &too_dear),
				   .route = challenge->native_route,
				   .now_s = clock_unix_s()};
	size_t bytes = calldata_write(calldata, sizeof(calldata), CALLDATA_CHAT, false, SPAN(body));

	if (wish.offer == NULL || bytes == 0)
		fail("no offer, or no call");
	wish.calldata = span_of(calldata, bytes);
	datagrams = allocate((warm_cnt + want.count) * sizeof(*datagrams));
	if (want.keys == 0)
		fail("no payers");
	struct payer *payers = allocate(want.keys * sizeof(*payers));
	for (unsigned i = 0; i < want.keys; i++)
		payers[i].signer = signer_of(want.first_key + i);
	for (unsigned i = 0; i < warm_cnt + want.count; i++)
		make_one(&wish, payers[i % want.keys].signer);
	for (unsigned i = 0; i < want.keys; i++)
		sign_fini(payers[i].signer);
	free(payers);
}

/* --- sending them --- */

static void dial(struct sockaddr_in to)
{
	int room = 4 << 20;

	for (unsigned i = 0; i < want.sockets; i++) {
		sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		setsockopt(sockets[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		if (connect(sockets[i], (struct sockaddr *)&to, sizeof(to)) != 0)
			fail("connect");
	}
}

/* Up to a burst from one socket. */
static void send_burst(unsigned until, unsigned socket_idx)
{
	struct mmsghdr messages[BURST];
	struct iovec pieces[BURST];
	unsigned cnt = 0, open = now.sent - now.taken - now.refused;

	for (; cnt < BURST && now.sent + cnt < until && open + cnt < want.window; cnt++) {
		struct native_datagram *datagram = &datagrams[now.sent + cnt];
		pieces[cnt] = (struct iovec){datagram->at, datagram->bytes};
		messages[cnt] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[cnt], .msg_iovlen = 1}};
	}
	int sent = cnt > 0 ? sendmmsg(sockets[socket_idx], messages, cnt, 0) : 0;
	if (sent < 0 && errno != EAGAIN)
		fail("send");
	now.sent += sent > 0 ? (unsigned)sent : 0;
}

static void take_receipts(int fd)
{
	static uint8_t answers[BURST][128];
	struct mmsghdr messages[BURST];
	struct iovec pieces[BURST];

	for (unsigned i = 0; i < BURST; i++) {
		pieces[i] = (struct iovec){answers[i], sizeof(answers[i])};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
	}
	int got = recvmmsg(fd, messages, BURST, 0, NULL);
	for (int i = 0; i < got; i++) {
		struct native_receipt receipt;
		memcpy(&receipt, answers[i], sizeof(receipt));
		bool good = messages[i].msg_len == sizeof(receipt) && receipt.head.kind == NATIVE_RECEIPT;
		if (good && receipt.reason == 0)
			now.taken++;
		else
			now.refused++;
	}
}

/* Without waiting: a client that sleeps would have the server pay for waking it, which on a wire it does not. */
static void take_receipts_of_all(void)
{
	for (unsigned i = 0; i < want.sockets; i++)
		take_receipts(sockets[i]);
}

/* All before `until`, each answered or given up for lost. */
static void send_until(unsigned until)
{
	uint64_t last_ns = clock_ns();
	unsigned socket_idx = 0;

	while (now.taken + now.refused < until && clock_ns() - last_ns < (uint64_t)LOST_MS * 1000000) {
		unsigned before = now.taken + now.refused;
		send_burst(until, socket_idx++ % want.sockets);
		take_receipts_of_all();
		if (now.taken + now.refused > before)
			last_ns = clock_ns();
	}
}

/* --- measuring --- */

static uint64_t server_cpu_ns(void)
{
	char path[64], line[64];
	uint64_t sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)want.server);
	DIR *tasks = opendir(path);
	if (tasks == NULL)
		fail(path);
	for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)want.server, task->d_name);
		FILE *file = fopen(path, "r");
		if (file != NULL && fgets(line, sizeof(line), file) != NULL)
			sum += strtoull(line, NULL, 10);
		if (file != NULL)
			fclose(file);
	}
	closedir(tasks);
	return sum;
}

static int run(void)
{
	unsigned warm_cnt = want.warm ? want.keys : 0, all = warm_cnt + want.count;

	send_until(warm_cnt);
	if (now.taken != warm_cnt)
		fail("warming up");
	uint64_t cpu_ns = want.server != 0 ? server_cpu_ns() : 0, begin_ns = clock_ns();
	send_until(all);
	uint64_t took_ns = clock_ns() - begin_ns;
	unsigned taken = now.taken - warm_cnt, lost = all - now.taken - now.refused;
	if (want.server != 0 && taken > 0) {
		usleep(MOMENT_MS * 1000); /* what was taken last gets to the disk */
		printf("server_ns %.1f\n", (double)(server_cpu_ns() - cpu_ns) / taken);
	}
	printf("taken %u\nrefused %u\nlost %u\nseconds %.6f\nrate %.1f\n", taken, now.refused, lost,
	       (double)took_ns / 1e9, taken * 1e9 / (double)took_ns);
	return taken == want.count ? 0 : 1;
}

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Of signatures over other digests than they were made for: a key comes of nearly every one, and it costs the same. */
static int recover(unsigned cnt)
{
	secp256k1_context *secp = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	struct signer *signer = signer_of(1);
	secp256k1_ecdsa_recoverable_signature signature;
	secp256k1_pubkey key;
	struct word digest = {{1}};
	uint8_t made[65];
	unsigned good = 0;

	if (!sign_digest(signer, made, &digest) ||
	    !secp256k1_ecdsa_recoverable_signature_parse_compact(secp, &signature, made, made[64] - 27))
		fail("signing");
	uint64_t begin_ns = thread_ns();
	for (unsigned i = 0; i < cnt; i++) {
		memcpy(digest.at + 28, &i, sizeof(i));
		good += (unsigned)secp256k1_ecdsa_recover(secp, &key, &signature, digest.at);
	}
	printf("recover_ns %.1f\n", (double)(thread_ns() - begin_ns) / cnt);
	secp256k1_context_destroy(secp);
	sign_fini(signer);
	return good == cnt ? 0 : 1;
}

static struct sockaddr_in read_url(const char *url, struct load_request *request)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char host[32], path[256] = "/";
	unsigned port;

	if (sscanf(url, "http://%31[0-9.]:%u%255s", host, &port, path) < 2 ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail("URL");
	address.sin_port = htons((uint16_t)port);
	request->head_bytes =
		(size_t)snprintf(request->head, sizeof(request->head), "POST %s HTTP/1.1\r\nHost: %s\r\n", path, host);
	request->rest_bytes =
		(size_t)asprintf(&request->rest, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
				 sizeof(body) - 1, body);
	return address;
}

static unsigned number(const char *text, unsigned most)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (value == 0 || value > most)
		fail(text);
	return (unsigned)value;
}

static unsigned read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", 1, 0, 'n'},  {"keys", 1, 0, 'k'},    {"first-key", 1, 0, 'f'},
		{"warm", 0, 0, 'w'},   {"window", 1, 0, 'i'},  {"sockets", 1, 0, 's'},
		{"server", 1, 0, 'p'}, {"recover", 1, 0, 'r'}, {0, 0, 0, 0},
	};
	unsigned recover_cnt = 0;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'n':
			want.count = number(optarg, 1 << 20);
			break;
		case 'k':
			want.keys = number(optarg, 1 << 20);
			break;
		case 'f':
			want.first_key = number(optarg, UINT32_MAX);
			break;
		case 'w':
			want.warm = true;
			break;
		case 'i':
			want.window = number(optarg, 1 << 16);
			break;
		case 's':
			want.sockets = number(optarg, SOCKETS_MAX);
			break;
		case 'p':
			want.server = (pid_t)number(optarg, 1 << 22);
			break;
		case 'r':
			recover_cnt = number(optarg, 1 << 24);
			break;
		default:
			exit(2);
		}
	}
	want.url = argv[optind];
	return recover_cnt;
}

int main(int argc, char **argv)
{
	static struct load_request request;
	static struct pay_challenge challenge;
	unsigned recover_cnt = read_options(argc, argv);

	if (recover_cnt > 0)
		return recover(recover_cnt);
	if (want.url == NULL || want.count == 0)
		fail("--count and a URL are needed");
	struct sockaddr_in address = read_url(want.url, &request);
	read_challenge(&challenge, &address, &request);
	if (!challenge.is_native)
		fail("not offered by datagram");
	address.sin_port = htons(challenge.native_port);
	make_all(&challenge);
	dial(address);
	return run();
}
