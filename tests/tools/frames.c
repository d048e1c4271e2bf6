// SPDX-License-Identifier: Apache-2.0
/* frames: sends crafted Ethernet frames out of an interface (AF_PACKET, so root), each wrong in one named way, to see
 * what a filter on the other end makes of them.  Every frame starts as a correct SYN or datagram to the given address
 * and port; its kind then breaks one thing.
 *
 *   frames --interface IF --to-mac MAC --port P [--to-ip A] [--to-ip6 A] [--from-ip A] [--from-ip6 A] [--count N] KIND...
 *   frames --list
 *
 * Prints one line per kind: "sent KIND N expect REASON", REASON being the row of include/reasons.h it is made for. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_BYTES_MAX = 1514, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, NEXT_FRAGMENT = 44, NEXT_OPTIONS = 60 };
enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_PSH = 8, FLAG_ACK = 16, FLAG_URG = 32 };

/* A frame and where its headers begin.  Lengths and checksums are right before a kind breaks the frame. */
struct frame {
	uint8_t at[FRAME_BYTES_MAX];
	size_t bytes, l3, l4;
};

static struct {
	uint8_t to_mac[6], from_mac[6];
	struct in_addr to4, from4;
	struct in6_addr to6, from6;
	uint16_t port;
	bool has4, has6;
} target;

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t sum16(uint32_t sum, const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	if (bytes & 1)
		sum += (uint32_t)(at[bytes - 1] << 8);
	return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at, ~sum & 0xffff);
}

/* --- correct frames --- */

static void start_ethernet(struct frame *frame, uint16_t type)
{
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->at, target.to_mac, 6);
	memcpy(frame->at + 6, target.from_mac, 6);
	put16(frame->at + 12, type);
	frame->l3 = ETH_HLEN;
}

static void put_ip4(struct frame *frame, uint8_t protocol, size_t payload_bytes)
{
	uint8_t *ip = frame->at + frame->l3;

	frame->l4 = frame->l3 + 20;
	frame->bytes = frame->l4 + payload_bytes;
	ip[0] = 0x45;
	put16(ip + 2, 20 + payload_bytes);
	put16(ip + 4, 0x1234);
	ip[6] = 0x40; /* do not fragment */
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, &target.from4, 4);
	memcpy(ip + 16, &target.to4, 4);
	put_checksum(ip + 10, sum16(0, ip, 20));
}

/* extension_cnt destination-options headers of 8 bytes stand before the payload. */
static void put_ip6(struct frame *frame, uint8_t protocol, size_t payload_bytes, size_t extension_cnt,
		    uint8_t extension)
{
	uint8_t *ip = frame->at + frame->l3;

	ip[0] = 0x60;
	put16(ip + 4, extension_cnt * 8 + payload_bytes);
	ip[6] = extension_cnt != 0 ? extension : protocol;
	ip[7] = 64;
	memcpy(ip + 8, &target.from6, 16);
	memcpy(ip + 24, &target.to6, 16);
	for (size_t i = 0; i < extension_cnt; i++) {
		uint8_t *header = ip + 40 + i * 8;
		header[0] = i + 1 < extension_cnt ? extension : protocol;
		if (extension == NEXT_OPTIONS) /* one PadN of 6 bytes */
			header[2] = 1, header[3] = 4;
	}
	frame->l4 = frame->l3 + 40 + extension_cnt * 8;
	frame->bytes = frame->l4 + payload_bytes;
}

static void put_l4_checksum(struct frame *frame, uint8_t protocol, bool six)
{
	uint8_t *l4 = frame->at + frame->l4;
	size_t bytes = frame->bytes - frame->l4;
	const uint8_t *addresses = frame->at + frame->l3 + (six ? 8 : 12);
	uint32_t sum = sum16((uint32_t)(protocol + bytes), addresses, six ? 32 : 8);

	put_checksum(l4 + (protocol == PROTOCOL_TCP ? 16 : 6), sum16(sum, l4, bytes));
}

static void put_tcp(struct frame *frame, uint8_t flags)
{
	uint8_t *tcp = frame->at + frame->l4;

	put16(tcp, 40000);
	put16(tcp + 2, target.port);
	put16(tcp + 6, 1); /* sequence */
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	put16(tcp + 14, 64240);
}

static void put_udp(struct frame *frame)
{
	uint8_t *udp = frame->at + frame->l4;

	put16(udp, 40000);
	put16(udp + 2, target.port);
	put16(udp + 4, frame->bytes - frame->l4);
	memset(udp + 8, 'x', frame->bytes - frame->l4 - 8);
}

static void tcp4(struct frame *frame, uint8_t flags)
{
	start_ethernet(frame, ETH_P_IP);
	put_ip4(frame, PROTOCOL_TCP, 20);
	put_tcp(frame, flags);
	put_l4_checksum(frame, PROTOCOL_TCP, false);
}

static void udp4(struct frame *frame)
{
	start_ethernet(frame, ETH_P_IP);
	put_ip4(frame, PROTOCOL_UDP, 8 + 32);
	put_udp(frame);
	put_l4_checksum(frame, PROTOCOL_UDP, false);
}

static void tcp6(struct frame *frame, uint8_t flags, size_t extension_cnt, uint8_t extension)
{
	start_ethernet(frame, ETH_P_IPV6);
	put_ip6(frame, PROTOCOL_TCP, 20, extension_cnt, extension);
	put_tcp(frame, flags);
	put_l4_checksum(frame, PROTOCOL_TCP, true);
}

/* A header changed after its checksum was made: make it again, so that only the named thing is wrong. */
static void redo_ip4(struct frame *frame)
{
	uint8_t *ip = frame->at + frame->l3;
	put16(ip + 10, 0);
	put_checksum(ip + 10, sum16(0, ip, 20));
}

static void redo_l4(struct frame *frame, uint8_t protocol, bool six)
{
	put16(frame->at + frame->l4 + (protocol == PROTOCOL_TCP ? 16 : 6), 0);
	put_l4_checksum(frame, protocol, six);
}

/* --- the kinds --- */

static void kind_syn(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
}

static void kind_syn6(struct frame *frame)
{
	tcp6(frame, FLAG_SYN, 0, 0);
}

/* A request in the middle of a connection that never was: it must reach nobody who would hold it against its source. */
static void kind_unshaken(struct frame *frame)
{
	static const char request[] =
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
	size_t bytes = sizeof request - 1;

	start_ethernet(frame, ETH_P_IP);
	put_ip4(frame, PROTOCOL_TCP, 20 + bytes);
	put_tcp(frame, FLAG_ACK | FLAG_PSH);
	memcpy(frame->at + frame->l4 + 20, request, bytes);
	put_l4_checksum(frame, PROTOCOL_TCP, false);
}

static void kind_udp(struct frame *frame)
{
	udp4(frame);
}

static void kind_ip4_cut(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	frame->bytes = frame->l3 + 12;
}

static void kind_ip4_version(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	frame->at[frame->l3] = 0x55;
	redo_ip4(frame);
}

static void kind_ip4_ihl(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	frame->at[frame->l3] = 0x44;
	redo_ip4(frame);
}

static void kind_ip4_total_big(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	put16(frame->at + frame->l3 + 2, 1400);
	redo_ip4(frame);
}

static void kind_ip4_total_small(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	put16(frame->at + frame->l3 + 2, 19);
	redo_ip4(frame);
}

static void kind_ip4_fragment(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	put16(frame->at + frame->l3 + 6, 0x2000); /* more fragments, offset 0: the ports are there */
	redo_ip4(frame);
}

static void kind_martian(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	memcpy(frame->at + frame->l3 + 12, (uint8_t[]){224, 0, 0, 1}, 4);
	redo_ip4(frame);
	redo_l4(frame, PROTOCOL_TCP, false);
}

static void kind_syn_fin(struct frame *frame)
{
	tcp4(frame, FLAG_SYN | FLAG_FIN);
}

static void kind_syn_rst(struct frame *frame)
{
	tcp4(frame, FLAG_SYN | FLAG_RST);
}

static void kind_null(struct frame *frame)
{
	tcp4(frame, 0);
}

static void kind_xmas(struct frame *frame)
{
	tcp4(frame, FLAG_FIN | FLAG_PSH | FLAG_URG);
}

static void kind_doff_small(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	frame->at[frame->l4 + 12] = 4 << 4;
	redo_l4(frame, PROTOCOL_TCP, false);
}

static void kind_doff_big(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	frame->at[frame->l4 + 12] = 15 << 4;
	redo_l4(frame, PROTOCOL_TCP, false);
}

static void kind_tcp_cut(struct frame *frame)
{
	start_ethernet(frame, ETH_P_IP);
	put_ip4(frame, PROTOCOL_TCP, 20);
	put_tcp(frame, FLAG_SYN);
	put16(frame->at + frame->l3 + 2, 20 + 12); /* the packet ends within the TCP header */
	frame->bytes = frame->l4 + 12;
	redo_ip4(frame);
}

static void kind_udp_length_big(struct frame *frame)
{
	udp4(frame);
	put16(frame->at + frame->l4 + 4, 1200);
	redo_l4(frame, PROTOCOL_UDP, false);
}

static void kind_udp_length_small(struct frame *frame)
{
	udp4(frame);
	put16(frame->at + frame->l4 + 4, 7);
	redo_l4(frame, PROTOCOL_UDP, false);
}

static void kind_port_zero(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	put16(frame->at + frame->l4, 0);
	redo_l4(frame, PROTOCOL_TCP, false);
}

/* 802.1ad outside, 802.1Q twice inside. */
static void kind_vlan_triple(struct frame *frame)
{
	tcp4(frame, FLAG_SYN);
	memmove(frame->at + 12 + 12, frame->at + 12, frame->bytes - 12);
	for (size_t tag = 0; tag < 3; tag++) {
		put16(frame->at + 12 + tag * 4, tag == 0 ? ETH_P_8021AD : ETH_P_8021Q);
		put16(frame->at + 14 + tag * 4, 100 + tag);
	}
	frame->bytes += 12;
}

static void kind_ip6_cut(struct frame *frame)
{
	tcp6(frame, FLAG_SYN, 0, 0);
	frame->bytes = frame->l3 + 24;
}

static void kind_ip6_version(struct frame *frame)
{
	tcp6(frame, FLAG_SYN, 0, 0);
	frame->at[frame->l3] = 0x50;
}

static void kind_ip6_length_big(struct frame *frame)
{
	tcp6(frame, FLAG_SYN, 0, 0);
	put16(frame->at + frame->l3 + 4, 1400);
}

static void kind_ip6_extensions(struct frame *frame)
{
	tcp6(frame, FLAG_SYN, 20, NEXT_OPTIONS);
}

static void kind_ip6_fragment(struct frame *frame)
{
	tcp6(frame, FLAG_SYN, 1, NEXT_FRAGMENT);
	put16(frame->at + frame->l3 + 40 + 2, 1); /* offset 0, more fragments */
}

static void kind_null6(struct frame *frame)
{
	tcp6(frame, 0, 0, 0);
}

static const struct kind {
	const char *name, *reason;
	bool six;
	void (*make)(struct frame *frame);
} kinds[] = {
	{"syn", "not_allowed", false, kind_syn}, /* from a source nobody listed, in allow mode */
	{"unshaken", "not_allowed", false, kind_unshaken},
	{"udp", "not_allowed", false, kind_udp},
	{"ip4-cut", "frame_short", false, kind_ip4_cut},
	{"ip4-version", "ip4_header", false, kind_ip4_version},
	{"ip4-ihl", "ip4_header", false, kind_ip4_ihl},
	{"ip4-total-big", "ip4_length", false, kind_ip4_total_big},
	{"ip4-total-small", "ip4_length", false, kind_ip4_total_small},
	{"ip4-fragment", "fragment", false, kind_ip4_fragment},
	{"martian", "source_martian", false, kind_martian},
	{"syn-fin", "tcp_flags", false, kind_syn_fin},
	{"syn-rst", "tcp_flags", false, kind_syn_rst},
	{"null", "tcp_flags", false, kind_null},
	{"xmas", "tcp_flags", false, kind_xmas},
	{"doff-small", "tcp_header", false, kind_doff_small},
	{"doff-big", "tcp_header", false, kind_doff_big},
	{"tcp-cut", "tcp_header", false, kind_tcp_cut},
	{"udp-length-big", "udp_length", false, kind_udp_length_big},
	{"udp-length-small", "udp_length", false, kind_udp_length_small},
	{"port-zero", "port_zero", false, kind_port_zero},
	{"vlan-triple", "vlan_deep", false, kind_vlan_triple},
	{"syn6", "not_allowed", true, kind_syn6},
	{"ip6-cut", "frame_short", true, kind_ip6_cut},
	{"ip6-version", "ip6_header", true, kind_ip6_version},
	{"ip6-length-big", "ip6_length", true, kind_ip6_length_big},
	{"ip6-extensions", "ip6_extension", true, kind_ip6_extensions},
	{"ip6-fragment", "fragment", true, kind_ip6_fragment},
	{"null6", "tcp_flags", true, kind_null6},
};
enum { KIND_CNT = sizeof(kinds) / sizeof(kinds[0]) };

/* --- sending --- */

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: frames --interface IF --to-mac MAC --port P [--to-ip A] [--to-ip6 A] [--from-ip A] "
			"[--from-ip6 A]\n"
			"              [--count N] KIND...   (all: every kind the given addresses allow)\n"
			"       frames --list\n");
	exit(2);
}

static int open_interface(const char *interface, struct sockaddr_ll *to)
{
	struct ifreq request = {0};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	*to = (struct sockaddr_ll){
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface), .sll_halen = 6};
	memcpy(to->sll_addr, target.to_mac, 6);
	if (fd < 0 || to->sll_ifindex == 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0) {
		perror(interface);
		exit(1);
	}
	memcpy(target.from_mac, request.ifr_hwaddr.sa_data, 6);
	return fd;
}

static void send_kind(int fd, const struct sockaddr_ll *to, const struct kind *kind, unsigned count)
{
	struct frame frame;

	kind->make(&frame);
	for (unsigned i = 0; i < count; i++) {
		ssize_t sent = sendto(fd, frame.at, frame.bytes, 0, (const struct sockaddr *)to, sizeof(*to));
		if (sent < 0 && errno == ENOBUFS) { /* the queue is full: the same frame again, a little later */
			usleep(1000);
			i--;
		} else if (sent != (ssize_t)frame.bytes) {
			perror(kind->name);
			exit(1);
		}
	}
	printf("sent %s %u expect %s\n", kind->name, count, kind->reason);
}

static void send_named(int fd, const struct sockaddr_ll *to, const char *name, unsigned count)
{
	bool all = strcmp(name, "all") == 0, found = false;

	for (size_t i = 0; i < KIND_CNT; i++) {
		bool reachable = kinds[i].six ? target.has6 : target.has4;
		if (!all && strcmp(name, kinds[i].name) != 0)
			continue;
		found = true;
		if (reachable) {
			send_kind(fd, to, &kinds[i], count);
		} else if (!all) {
			fprintf(stderr, "%s needs --to-ip%s and --from-ip%s\n", name, kinds[i].six ? "6" : "",
				kinds[i].six ? "6" : "");
			exit(2);
		}
	}
	if (!found) {
		fprintf(stderr, "no kind named %s; see --list\n", name);
		exit(2);
	}
}

static void read_address(int family, const char *words, void *address)
{
	if (inet_pton(family, words, address) != 1) {
		fprintf(stderr, "bad address %s\n", words);
		exit(2);
	}
}

static void read_mac(const char *words)
{
	unsigned at[6];
	if (sscanf(words, "%x:%x:%x:%x:%x:%x", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5]) != 6)
		usage();
	for (int i = 0; i < 6; i++)
		target.to_mac[i] = (uint8_t)at[i];
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", 1, 0, 'i'}, {"to-mac", 1, 0, 'm'},
		{"to-ip", 1, 0, '4'},	  {"to-ip6", 1, 0, '6'},
		{"from-ip", 1, 0, 'f'},	  {"from-ip6", 1, 0, 'F'},
		{"port", 1, 0, 'p'},	  {"count", 1, 0, 'c'},
		{"list", 0, 0, 'l'},	  {0, 0, 0, 0},
	};
	const char *interface = NULL;
	unsigned count = 1, from4 = 0, from6 = 0;
	struct sockaddr_ll to;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'i':
			interface = optarg;
			break;
		case 'm':
			read_mac(optarg);
			break;
		case '4':
			read_address(AF_INET, optarg, &target.to4);
			target.has4 = true;
			break;
		case '6':
			read_address(AF_INET6, optarg, &target.to6);
			target.has6 = true;
			break;
		case 'f':
			read_address(AF_INET, optarg, &target.from4);
			from4 = 1;
			break;
		case 'F':
			read_address(AF_INET6, optarg, &target.from6);
			from6 = 1;
			break;
		case 'p':
			target.port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			for (size_t i = 0; i < KIND_CNT; i++)
				printf("%s %s\n", kinds[i].name, kinds[i].reason);
			return 0;
		default:
			usage();
		}
	}
	target.has4 &= from4;
	target.has6 &= from6;
	if (interface == NULL || target.port == 0 || optind == argc)
		usage();
	int fd = open_interface(interface, &to);
	for (; optind < argc; optind++)
		send_named(fd, &to, argv[optind], count);
	close(fd);
	return 0;
}
