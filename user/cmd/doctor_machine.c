// SPDX-License-Identifier: Apache-2.0
/* doctor_machine.c: does this machine let the daemon and the filter work as they should? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "sys/ring.h"
#include "sys/syncookies.h"
#include "worker.h"

#define KERNEL_MAJOR 6 /* the oldest supported, which tests/vm runs on */
#define KERNEL_MINOR 1

/* The first word of a file of the kernel's; false: it has no such file. */
static bool word_read(char word[64], const char *path)
{
	FILE *file = fopen(path, "re");
	bool is = file != NULL && fscanf(file, "%63s", word) == 1;

	if (file != NULL)
		fclose(file);
	return is;
}

static void look_at_kernel(struct doctor *doctor)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
		doctor_say(doctor, DOCTOR_OK, "kernel", NULL, "Linux %s", name.release);
	else
		doctor_say(doctor, DOCTOR_BAD, "kernel", "boot a newer kernel",
			   "Linux %s; the oldest supported is %u.%u", name.release, KERNEL_MAJOR, KERNEL_MINOR);
}

static void look_at_jit(struct doctor *doctor)
{
	char word[64];

	if (doctor->has_config && doctor->config.interface[0] == 0)
		return;
	if (!word_read(word, "/proc/sys/net/core/bpf_jit_enable"))
		doctor_say(doctor, DOCTOR_OK, "bpf", NULL, "the kernel does not say whether it compiles BPF programs");
	else if (strcmp(word, "0") == 0)
		doctor_say(doctor, DOCTOR_WARN, "bpf", "sysctl -w net.core.bpf_jit_enable=1, and in /etc/sysctl.d",
			   "BPF programs are interpreted: a packet costs many times as much");
	else
		doctor_say(doctor, DOCTOR_OK, "bpf", NULL, "BPF programs are compiled (net.core.bpf_jit_enable = %s)",
			   word);
}

/* As a worker does it, and whatever stands in the way. */
static void look_at_rings(struct doctor *doctor)
{
	struct mailbox box;
	struct ring_config ring_config = {.buffer_cnt = 64, .buffer_bytes = 4096, .mailbox = &box};
	struct ring *ring = NULL;
	char word[64];
	int error = mailbox_init(&box);

	if (error == 0) {
		error = ring_init(&ring, &ring_config);
		if (error == 0)
			ring_fini(ring);
		mailbox_fini(&box);
	}
	if (error == 0) {
		doctor_say(doctor, DOCTOR_OK, "io_uring", NULL, "this user may use it");
		return;
	}
	bool off = word_read(word, "/proc/sys/kernel/io_uring_disabled") && strcmp(word, "0") != 0;
	doctor_say(doctor, DOCTOR_BAD, "io_uring",
		   off		      ? "sysctl -w kernel.io_uring_disabled=0, and in /etc/sysctl.d"
		   : error == -ENOMEM ? "raise the limit of locked memory: LimitMEMLOCK= of the unit"
		   : error == -ENOSYS
			   ? "use a kernel with CONFIG_IO_URING, or allow io_uring_setup in the container's profile"
			   : "allow io_uring_setup, io_uring_enter and io_uring_register in the container's profile",
		   "it cannot be used: %s%s", strerror(-error), off ? " (kernel.io_uring_disabled)" : "");
}

static size_t workers_of(const struct config *config)
{
	return config->workers != 0 ? config->workers : (size_t)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Two for each request that is forwarded, and what the threads have open. */
static size_t descriptors_wanted(const struct config *config)
{
	size_t cnt = workers_of(config) * (config->connections + 16) + 128;

	for (size_t i = 0; i < config->upstream_cnt; i++)
		cnt += config->upstreams[i].in_flight;
	return cnt;
}

static void look_at_limits(struct doctor *doctor)
{
	struct rlimit files, locked;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || getrlimit(RLIMIT_MEMLOCK, &locked) != 0)
		return;
	size_t wanted = doctor->has_config ? descriptors_wanted(&doctor->config) : 0;
	if (files.rlim_max < wanted)
		doctor_say(doctor, DOCTOR_WARN, "limits", "ulimit -Hn, or LimitNOFILE= of the unit",
			   "%llu descriptors are allowed to what is started from here; the configuration may want %zu",
			   (unsigned long long)files.rlim_max, wanted);
	else
		doctor_say(doctor, DOCTOR_OK, "limits", NULL, "%llu descriptors are allowed, %zu may be wanted",
			   (unsigned long long)files.rlim_max, wanted);
	/* Since 5.11 neither BPF maps nor rings count against it; what is left are rings' buffers on some kernels. */
	if (locked.rlim_cur != RLIM_INFINITY && locked.rlim_cur < 8u << 20)
		doctor_say(doctor, DOCTOR_OK, "limits", NULL,
			   "%llu KiB of locked memory, which this kernel asks little of",
			   (unsigned long long)locked.rlim_cur >> 10);
}

static void look_at_memory(struct doctor *doctor)
{
	long page_bytes = sysconf(_SC_PAGESIZE), pages = sysconf(_SC_PHYS_PAGES);
	const struct config *config = &doctor->config;
	struct worker_memory memory;

	if (!doctor->has_config || page_bytes <= 0 || pages <= 0)
		return;
	worker_memory(&memory, config);
	size_t wanted = memory.total * workers_of(config) + memory.shared +
			(config->native.listen_cnt > 0 ? config->native.results_bytes : 0);
	size_t have = (size_t)page_bytes * (size_t)pages;
	if (wanted > have / 2)
		doctor_say(doctor, DOCTOR_WARN, "memory",
			   "lower workers, connections, signer_cache_bytes or queue_bytes",
			   "of %zu MiB, the workers may come to %zu MiB", have >> 20, wanted >> 20);
	else
		doctor_say(doctor, DOCTOR_OK, "memory", NULL, "%zu MiB, of which the workers may use %zu MiB",
			   have >> 20, wanted >> 20);
}

static void look_at_hugepages(struct doctor *doctor)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");

	if (file == NULL)
		return;
	bool is = fgets(line, sizeof line, file) != NULL;
	fclose(file);
	if (is && strstr(line, "[always]") == NULL)
		doctor_say(doctor, DOCTOR_WARN, "memory", "echo always > /sys/kernel/mm/transparent_hugepage/enabled",
			   "no transparent huge pages: tables of payers' keys cost more misses of the TLB");
	else if (is)
		doctor_say(doctor, DOCTOR_OK, "memory", NULL, "transparent huge pages are used");
}

static void look_at_engine(struct doctor *doctor)
{
	enum verify_engine engine = worker_engine(&doctor->config);

	if (!doctor->has_config)
		return;
	if (verify_engine_runs(engine))
		doctor_say(doctor, DOCTOR_OK, "cpu", NULL, "signatures by %s", verify_engine_name(engine));
	else
		doctor_say(doctor, DOCTOR_BAD, "cpu", "engine = auto", "this CPU cannot run the engine %s",
			   verify_engine_name(engine));
}

static void look_at_syncookies(struct doctor *doctor)
{
	if (!doctor->has_config || doctor->config.interface[0] == 0 ||
	    doctor->config.filter.syn_cookies == SYN_COOKIES_OFF)
		return;
	int value = syncookies_kernel();
	if (value > 0)
		doctor_say(doctor, DOCTOR_OK, "bpf", NULL, "net.ipv4.tcp_syncookies = %d: syn_cookies can work", value);
	else
		doctor_say(doctor, DOCTOR_BAD, "bpf", "sysctl -w net.ipv4.tcp_syncookies=1, and in /etc/sysctl.d",
			   "syn_cookies needs net.ipv4.tcp_syncookies = 1 or 2");
}

/* Payments are dated: a clock that is off refuses good ones, or takes what nobody settles any more. */
static void look_at_clock(struct doctor *doctor)
{
	struct timex clock = {.modes = 0};
	int state = adjtimex(&clock);

	if (state < 0)
		doctor_say(doctor, DOCTOR_WARN, "clock", "compare it by hand: date -u",
			   "the kernel does not say how it is kept");
	else if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0)
		doctor_say(doctor, DOCTOR_WARN, "clock", "systemctl enable --now systemd-timesyncd, or chrony",
			   "nothing keeps it right");
	else
		doctor_say(doctor, DOCTOR_OK, "clock", NULL, "it is kept right, to %ld ms", clock.maxerror / 1000);
}

void doctor_machine(struct doctor *doctor)
{
	look_at_kernel(doctor);
	look_at_jit(doctor);
	look_at_syncookies(doctor);
	look_at_rings(doctor);
	look_at_engine(doctor);
	look_at_limits(doctor);
	look_at_memory(doctor);
	look_at_hugepages(doctor);
	look_at_clock(doctor);
}
