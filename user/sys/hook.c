// SPDX-License-Identifier: Apache-2.0
#include "sys/hook.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h> /* and through it libbpf */

#include "abi.h"
#include "base/log.h"
#include "sys/pins.h"

#define RUN_PRIORITY 20 /* behind one dispatcher: after xdp-filter (10), before libxdp's default (50) */
#define DISPATCHER "xdp_dispatcher"
#define PIN_GATE "gate"
#define PIN_MAIN "main" /* what the driver runs: a dispatcher, or ours once more */

extern const char filter_object[], filter_object_end[]; /* filter_object.S */

/* What is attached to an interface. */
struct place {
	int ifindex;
	uint32_t payers;  /* of struct hook_attach: what is loaded here has room for so many */
	uint32_t flags;	  /* XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE; 0: nothing attached */
	uint32_t main_id; /* the program the driver runs */
	char main_name[BPF_OBJ_NAME_LEN];
	uint32_t gate_id; /* ours: the main program, one behind a dispatcher, or 0 */
	int gate_fd;	  /* -1 without one */
};

/* --- the libraries' chatter ------------------------------------------------------------------------------------- */

/* The last words of the kernel about a refused attach, which the library hears and prints but does not return. */
static char kernel_words[96];

static int say(const char *library, const char *format, va_list args)
{
	static const char from_kernel[] = "Kernel error message: ";
	char text[512];

	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = 0;
	const char *words = strstr(text, from_kernel);
	if (words != NULL)
		snprintf(kernel_words, sizeof kernel_words, "%s", words + sizeof from_kernel - 1);
	if (log_level < LOG_DEBUG)
		return 0;
	log_debug("library=%s text=\"%s\"", library, text);
	return 0;
}

__attribute__((format(printf, 2, 0))) static int say_libbpf(enum libbpf_print_level level, const char *format,
							    va_list args)
{
	return say("libbpf", format, args);
}

__attribute__((format(printf, 2, 0))) static int say_libxdp(enum libxdp_print_level level, const char *format,
							    va_list args)
{
	return say("libxdp", format, args);
}

static void libraries_init(void)
{
	libbpf_set_print(say_libbpf);
	libxdp_set_print(say_libxdp);
}

/* --- finding the program ---------------------------------------------------------------------------------------- */

/* A descriptor of program id, and its name; or -errno. */
static int program_open(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof info;
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return fd;
	int err = bpf_obj_get_info_by_fd(fd, &info, &info_bytes);
	if (err != 0) {
		close(fd);
		return err;
	}
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	return fd;
}

/* Calls visit with each BPF link of the system until it returns other than 0, which is returned. */
static int links_walk(int (*visit)(int link_fd, const struct bpf_link_info *link, struct place *place),
		      struct place *place)
{
	uint32_t id = 0;
	int result = 0;

	while (result == 0 && bpf_link_get_next_id(id, &id) == 0) {
		struct bpf_link_info info = {0};
		uint32_t info_bytes = sizeof info;
		int fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue; /* gone meanwhile */
		if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) == 0)
			result = visit(fd, &info, place);
		close(fd);
	}
	return result;
}

static bool is_gate(const char *name)
{
	return strcmp(name, TOLLBAR_PROGRAM) == 0 || strcmp(name, TOLLBAR_PROGRAM_FRAGS) == 0;
}

/* A dispatcher's programs replace functions of it: each hangs on a tracing link to the dispatcher. */
static int gate_behind_dispatcher(int link_fd, const struct bpf_link_info *link, struct place *place)
{
	char name[BPF_OBJ_NAME_LEN];

	if (link->type != BPF_LINK_TYPE_TRACING || link->tracing.target_obj_id != place->main_id)
		return 0;
	int fd = program_open(link->prog_id, name);
	if (fd < 0)
		return 0;
	if (!is_gate(name)) {
		close(fd);
		return 0;
	}
	place->gate_fd = fd;
	place->gate_id = link->prog_id;
	return 1;
}

uint32_t hook_program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof info;

	return bpf_obj_get_info_by_fd(fd, &info, &info_bytes) == 0 ? info.id : 0;
}

/* Without privilege ids open nothing: our program as hook_share pinned it, while the driver runs what it ran then. */
static int place_find_pinned(struct place *place, const char *iface)
{
	int main_fd = pins_get(iface, PIN_MAIN), gate_fd = pins_get(iface, PIN_GATE);
	bool same = main_fd >= 0 && gate_fd >= 0 && hook_program_id(main_fd) == place->main_id;

	if (main_fd >= 0)
		close(main_fd);
	if (!same && gate_fd >= 0)
		close(gate_fd);
	if (!same)
		return -EPERM;
	place->gate_fd = gate_fd;
	place->gate_id = hook_program_id(gate_fd);
	return 0;
}

static int place_find(struct place *place, const char *iface)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	*place = (struct place){.gate_fd = -1, .ifindex = (int)if_nametoindex(iface)};
	if (place->ifindex == 0)
		return -errno;
	int err = bpf_xdp_query(place->ifindex, 0, &query);
	if (err != 0)
		return err;
	place->main_id = query.drv_prog_id != 0 ? query.drv_prog_id : query.skb_prog_id;
	if (place->main_id == 0)
		return 0;
	place->flags = query.drv_prog_id != 0 ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	int fd = program_open(place->main_id, place->main_name);
	if (fd == -EPERM)
		return place_find_pinned(place, iface);
	if (fd < 0)
		return fd;
	if (is_gate(place->main_name)) {
		place->gate_fd = fd;
		place->gate_id = place->main_id;
		return 0;
	}
	close(fd);
	links_walk(gate_behind_dispatcher, place);
	return 0;
}

static void place_fini(struct place *place)
{
	if (place->gate_fd >= 0)
		close(place->gate_fd);
	place->gate_fd = -1;
}

/* --- attaching -------------------------------------------------------------------------------------------------- */

/* Of the object's two programs, which differ in one flag, the one for `ip link` is left alone. */
static struct bpf_object *object_open(const struct place *place)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "gate");
	struct bpf_object *object =
		bpf_object__open_mem(filter_object, (size_t)(filter_object_end - filter_object), &opts);

	if (object == NULL)
		return NULL;
	bpf_program__set_autoload(bpf_object__find_program_by_name(object, TOLLBAR_PROGRAM_FRAGS), false);
	if (place->payers > 0)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(object, TOLLBAR_MAP_PAYERS),
					 TOLLBAR_PAYERS_LINES_OF(place->payers));
	return object;
}

/* Loads the program by itself.  The descriptor lives as long as the object. */
static int object_load(struct bpf_object **object, const struct place *place)
{
	*object = object_open(place);
	if (*object == NULL)
		return -errno;
	/* frames in several buffers are welcome: without it, drivers refuse an MTU that needs them */
	bpf_program__set_flags(bpf_object__find_program_by_name(*object, TOLLBAR_PROGRAM), BPF_F_XDP_HAS_FRAGS);
	int err = bpf_object__load(*object);
	return err != 0 ? err : bpf_program__fd(bpf_object__find_program_by_name(*object, TOLLBAR_PROGRAM));
}

/* libxdp, too, attaches a program alone where the kernel refuses a dispatcher's parts; but without a link to hold it. */
static int dispatcher_verify(struct xdp_program *program, int ifindex, enum xdp_attach_mode mode)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	bool alone = libxdp_get_error(all) != 0 || xdp_multiprog__is_legacy(all);

	if (libxdp_get_error(all) == 0)
		xdp_multiprog__close(all);
	if (!alone)
		return 0;
	int err = xdp_program__detach(program, ifindex, mode, 0);
	return err != 0 ? err : -EOPNOTSUPP;
}

/* Each try opens the object afresh: libbpf cannot load one twice. */
static int attach_dispatcher(const struct place *place, uint32_t flags)
{
	enum xdp_attach_mode mode = flags == XDP_FLAGS_DRV_MODE ? XDP_MODE_NATIVE : XDP_MODE_SKB;
	struct bpf_object *object = object_open(place);
	if (object == NULL)
		return -errno;
	struct xdp_program *program = xdp_program__from_bpf_obj(object, TOLLBAR_SECTION);
	int err = (int)libxdp_get_error(program);
	if (err == 0) {
		xdp_program__set_run_prio(program, RUN_PRIORITY);
		xdp_program__set_xdp_frags_support(program, true);
		err = xdp_program__attach(program, place->ifindex, mode, 0);
		if (err == 0)
			err = dispatcher_verify(program, place->ifindex, mode);
		xdp_program__close(program);
	}
	bpf_object__close(object);
	return err;
}

static int attach_link(const char *iface, int ifindex, int program_fd, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return fd;
	int err = pins_put(fd, iface, "link");
	close(fd); /* unpinned, this takes the program off again */
	return err;
}

static int attach_alone(const char *iface, const struct place *place, uint32_t flags, bool pins)
{
	struct bpf_object *object;
	int fd = object_load(&object, place), err = fd;

	if (fd >= 0)
		err = pins ? attach_link(iface, place->ifindex, fd, flags)
			   : bpf_xdp_attach(place->ifindex, fd, flags | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	bpf_object__close(object);
	return err;
}

/* One exchange in the driver: there is no moment without either program. */
static int attach_instead(const char *iface, const struct place *place)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	struct bpf_object *object = NULL;
	char name[BPF_OBJ_NAME_LEN];
	int previous_fd = program_open(place->main_id, name);

	if (previous_fd < 0)
		return previous_fd;
	int err = pins_put(previous_fd, iface, "previous");
	if (err == 0) {
		int fd = object_load(&object, place);
		opts.old_prog_fd = previous_fd;
		err = fd < 0 ? fd : bpf_xdp_attach(place->ifindex, fd, place->flags | XDP_FLAGS_REPLACE, &opts);
		bpf_object__close(object);
		if (err != 0)
			pins_remove(iface);
	}
	close(previous_fd);
	return err;
}

static bool is_down(const char *iface)
{
	struct ifreq asked = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(asked.ifr_name, sizeof asked.ifr_name, "%s", iface);
	bool down = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &asked) == 0 && !(asked.ifr_flags & IFF_UP);
	if (fd >= 0)
		close(fd);
	return down;
}

static int attached(const char *iface, uint32_t flags, const char *how)
{
	if (is_down(iface))
		log_warn("event=attach interface=%s note=\"the interface is down\"", iface);
	log_info("event=attach interface=%s mode=%s how=%s", iface, flags == XDP_FLAGS_DRV_MODE ? "native" : "generic",
		 how);
	return 0;
}

/* In one driver mode: behind a dispatcher if that can be, else alone on a free interface. */
static int attach_mode(const char *iface, const struct place *place, uint32_t flags, bool pins)
{
	int err = pins ? attach_dispatcher(place, flags) : -EOPNOTSUPP;

	if (err == 0)
		return attached(iface, flags, "dispatcher");
	if (place->main_id != 0)
		return err;
	if (pins)
		log_info("event=attach interface=%s dispatcher=no error=\"%s\" next=alone", iface, strerror(-err));
	else
		log_info("event=attach interface=%s dispatcher=no reason=\"no lasting " PINS_FOLDER
			 " here\" next=alone",
			 iface);
	err = attach_alone(iface, place, flags, pins);
	return err == 0 ? attached(iface, flags, pins ? "link" : "netlink") : err;
}

static int attach_beside(const char *iface, const struct place *place, bool pins)
{
	if (strcmp(place->main_name, DISPATCHER) != 0) {
		log_error("event=attach interface=%s error=\"program %s is attached\" help=\"--replace puts it back at "
			  "detach\"",
			  iface, place->main_name);
		return -EBUSY;
	}
	if (!pins)
		log_error("event=attach interface=%s error=\"the dispatcher's pins are out of sight\" help=\"nsenter "
			  "--net=\"",
			  iface);
	return pins ? attach_mode(iface, place, place->flags, true) : -EBUSY;
}

static int attach_replace(const char *iface, const struct place *place, bool pins)
{
	int err = pins ? attach_instead(iface, place) : -EOPNOTSUPP;

	if (err == 0)
		return attached(iface, place->flags, "replace");
	log_error("event=attach interface=%s error=\"cannot replace %s: %s\" help=\"%s\"", iface, place->main_name,
		  strerror(-err), pins ? "its owner holds it by a link" : "keeping it needs a lasting " PINS_FOLDER);
	return err;
}

static int attach_free(const char *iface, const struct place *place, bool generic, bool pins)
{
	int err = generic ? -EOPNOTSUPP : attach_mode(iface, place, XDP_FLAGS_DRV_MODE, pins);

	if (err == 0 || err == -EPERM)
		return err;
	if (!generic)
		log_warn("event=attach interface=%s native=no error=\"%s\" next=generic note=\"much slower%s\"", iface,
			 kernel_words[0] != 0 ? kernel_words : strerror(-err),
			 err == -ERANGE ? "; the MTU is too large for native mode here" : "");
	return attach_mode(iface, place, XDP_FLAGS_SKB_MODE, pins);
}

int hook_attach(const char *iface, const struct hook_attach *how)
{
	struct place place;

	libraries_init();
	int err = place_find(&place, iface);
	if (err != 0)
		return err;
	bool pins = pins_last();
	place.payers = how->payers;
	if (place.gate_id == 0)
		pins_remove(iface); /* left by an interface that went away with our program on it */
	if (place.gate_id != 0)
		log_info("event=attach interface=%s note=\"already there, kept\"", iface);
	else if (place.main_id == 0)
		err = attach_free(iface, &place, how->generic, pins);
	else if (how->replace && strcmp(place.main_name, DISPATCHER) != 0)
		err = attach_replace(iface, &place, pins);
	else
		err = attach_beside(iface, &place, pins);
	place_fini(&place);
	return err;
}

/* --- detaching -------------------------------------------------------------------------------------------------- */

/* The link that holds our program, pinned within our sight or not. */
static int detach_link(int link_fd, const struct bpf_link_info *link, struct place *place)
{
	if (link->type != BPF_LINK_TYPE_XDP || link->prog_id != place->gate_id ||
	    link->xdp.ifindex != (uint32_t)place->ifindex)
		return 0;
	int err = bpf_link_detach(link_fd);
	return err != 0 ? err : 1;
}

static int detach_netlink(const char *iface, const struct place *place)
{
	int previous_fd = pins_get(iface, "previous"); /* below zero takes the program off */

	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = place->gate_fd);
	int err = bpf_xdp_attach(place->ifindex, previous_fd < 0 ? -1 : previous_fd, place->flags | XDP_FLAGS_REPLACE,
				 &opts);
	if (previous_fd >= 0)
		close(previous_fd);
	return err;
}

static int detach_dispatcher(const struct place *place)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(place->ifindex);
	struct xdp_program *program = NULL;
	int err = (int)libxdp_get_error(all);

	if (err != 0)
		return err;
	do
		program = xdp_multiprog__next_prog(program, all);
	while (program != NULL && xdp_program__id(program) != place->gate_id);
	if (program != NULL)
		err = xdp_program__detach(program, place->ifindex, xdp_multiprog__attach_mode(all), 0);
	else /* libxdp finds them by their pins, we by their links */
		err = -EBUSY;
	xdp_multiprog__close(all);
	if (program == NULL)
		log_error("event=detach error=\"the dispatcher's pins are out of sight\" help=\"nsenter --net=\"");
	return err;
}

int hook_detach(const char *iface)
{
	struct place place;

	libraries_init();
	int err = place_find(&place, iface);
	if (err != 0)
		return err;
	if (place.gate_id == 0)
		return -ENOENT;
	if (place.gate_id != place.main_id) {
		err = detach_dispatcher(&place);
	} else {
		int linked = links_walk(detach_link, &place);
		err = linked == 0 ? detach_netlink(iface, &place) : linked < 0 ? linked : 0;
	}
	if (err == 0) {
		pins_remove(iface);
		log_info("event=detach interface=%s", iface);
	}
	place_fini(&place);
	return err;
}

int hook_find(const char *iface, bool *generic)
{
	struct place place;

	libraries_init();
	int err = place_find(&place, iface);
	if (err != 0)
		return err;
	*generic = place.flags == XDP_FLAGS_SKB_MODE;
	return place.gate_id == 0 ? -ENOENT : place.gate_fd;
}

int hook_share(const char *iface, const char *names[HOOK_PINS], size_t *cnt)
{
	struct place place;
	char name[BPF_OBJ_NAME_LEN];

	libraries_init();
	int err = place_find(&place, iface);
	if (err != 0)
		return err;
	int main_fd = place.gate_id == 0 ? -ENOENT : program_open(place.main_id, name);
	err = main_fd < 0 ? main_fd : pins_put(main_fd, iface, PIN_MAIN);
	if (err == 0)
		err = pins_put(place.gate_fd, iface, PIN_GATE);
	if (main_fd >= 0)
		close(main_fd);
	place_fini(&place);
	names[0] = PIN_MAIN;
	names[1] = PIN_GATE;
	*cnt = HOOK_PINS;
	return err;
}
