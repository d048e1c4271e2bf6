/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "sys/sandbox_calls.h"

#define CAPABILITY(number) (1ull << (number))
/* To find a filter that was attached anew: BPF objects by number, which programs a network device runs. */
#define FILTER_CAPABILITIES (CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_BPF) | CAPABILITY(CAP_NET_ADMIN))
/* Until a thread enters its own sandbox: for listeners on low ports; and for rings, whose memory else counts against what all
 * processes of this user may lock. */
#define START_CAPABILITIES (CAPABILITY(CAP_NET_BIND_SERVICE) | CAPABILITY(CAP_IPC_LOCK))

static struct {
	bool on;
	bool seccomp; /* does this kernel, or container, let a filter be entered? */
	int landlock;
	bool filter;
	scmp_filter_ctx filters[SANDBOX_KIND_CNT];
	pthread_mutex_t loading;
	struct landlock_config worker;
	uint16_t worker_ports[SANDBOX_PORTS_MAX];
	char state[64];
} sandbox = {.loading = PTHREAD_MUTEX_INITIALIZER, .state = "on"};

/* --- capabilities: a thread's own --- */

/* Of those it has, this thread keeps `kept`. */
static int keep_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	bool any = false;

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t mask = (uint32_t)(kept >> 32 * i);
		any |= ((data[i].permitted | data[i].inheritable) & ~mask) != 0;
		data[i].permitted &= mask;
		data[i].effective &= mask;
		data[i].inheritable = 0;
	}
	/* Where there is nothing to give up, a unit may forbid the call. */
	return any && syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Nor can it come to any by running a program. */
static int close_ways_to_capabilities(void)
{
	for (unsigned long number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
		(void)prctl(PR_CAPBSET_DROP, number, 0, 0, 0); /* who is not privileged has nothing to give up */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* --- system calls --- */

static int add_call(scmp_filter_ctx filter, const struct call *call)
{
	unsigned action = call->who == 0 ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW;

	if (call->number < 0 || (call->filter && !sandbox.filter))
		return 0;
	return seccomp_rule_add_array(filter, action, call->number, call->condition_cnt, call->conditions);
}

/* of: bits of enum call_who. */
static int fill(scmp_filter_ctx filter, unsigned of)
{
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: few steps a call */
	for (size_t i = 0; error == 0 && i < sandbox_call_cnt; i++)
		if (sandbox_calls[i].who == 0 || sandbox_calls[i].who & of)
			error = add_call(filter, &sandbox_calls[i]);
	/* Its flags are in memory, where no filter looks: the C library then takes clone. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* abort() */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
					 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return error;
}

static scmp_filter_ctx make_filter(unsigned of)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (filter == NULL)
		return NULL;
	int error = fill(filter, of);
	if (error != 0) {
		seccomp_release(filter);
		errno = -error;
		return NULL;
	}
	return filter;
}

static int make_filters(void)
{
	for (unsigned kind = 0; kind < SANDBOX_KIND_CNT; kind++) {
		sandbox.filters[kind] = make_filter(1u << kind);
		if (sandbox.filters[kind] == NULL)
			return errno != 0 ? -errno : -ENOMEM;
	}
	return 0;
}

/* What any thread may do, those that are not started yet included. */
static int enter_filter(void)
{
	scmp_filter_ctx filter = make_filter(ALL);
	int error = filter == NULL ? -errno : seccomp_load(filter);

	seccomp_release(filter);
	return error;
}

/* --- the way in --- */

static void lack(const char *what)
{
	size_t used = strcmp(sandbox.state, "on") == 0 ? 0 : strlen(sandbox.state);

	snprintf(sandbox.state + used, sizeof sandbox.state - used, "%s%s", used == 0 ? "without_" : ",", what);
}

static int enter_landlock(const struct sandbox_config *config)
{
	ASSERT(config->worker_port_cnt <= SANDBOX_PORTS_MAX);
	memcpy(sandbox.worker_ports, config->worker_ports, config->worker_port_cnt * sizeof *config->worker_ports);
	sandbox.worker = (struct landlock_config){.connect_ports = sandbox.worker_ports,
						  .connect_port_cnt = config->worker_port_cnt};
	sandbox.landlock = landlock_version();
	if (sandbox.landlock < LANDLOCK_TCP)
		lack(sandbox.landlock == 0 ? "landlock" : "landlock_tcp");
	return sandbox.landlock > 0 ? landlock_enter(&config->process) : 0;
}

/* A kernel or a container that knows no filters is lived with, and said. */
static int enter_filters(void)
{
	int error = make_filters();

	if (error == 0)
		error = enter_filter();
	sandbox.seccomp = error == 0;
	if (error != -EINVAL && error != -ENOSYS && error != -EOPNOTSUPP)
		return error;
	lack("seccomp");
	return 0;
}

int sandbox_enter(const struct sandbox_config *config)
{
	sandbox.on = true;
	sandbox.filter = config->filter;
	int error = close_ways_to_capabilities();
	if (error == 0)
		error = enter_landlock(config);
	if (error == 0)
		error = keep_capabilities(START_CAPABILITIES | (config->filter ? FILTER_CAPABILITIES : 0));
	if (error == 0)
		error = enter_filters();
	if (error < 0)
		log_error("event=sandbox error=%d", -error);
	else if (strcmp(sandbox.state, "on") != 0)
		log_warn("event=sandbox state=%s note=\"this kernel or container lacks it\"", sandbox.state);
	else
		log_info("event=sandbox state=on");
	return error;
}

static int enter_thread(enum sandbox_kind kind)
{
	bool finds_filter = kind == SANDBOX_MAIN && sandbox.filter;
	int error = keep_capabilities(finds_filter ? FILTER_CAPABILITIES : 0);

	if (error == 0 && kind == SANDBOX_WORKER && sandbox.landlock > 0)
		error = landlock_enter(&sandbox.worker);
	if (error == 0 && sandbox.seccomp) {
		pthread_mutex_lock(&sandbox.loading);
		error = seccomp_load(sandbox.filters[kind]);
		pthread_mutex_unlock(&sandbox.loading);
	}
	return error;
}

void sandbox_enter_thread(enum sandbox_kind kind)
{
	if (!sandbox.on)
		return;
	int error = enter_thread(kind);
	if (error < 0) {
		log_error("event=sandbox_thread kind=%d error=%d", (int)kind, -error);
		_exit(1);
	}
}

const char *sandbox_state(void)
{
	return sandbox.on ? sandbox.state : "off";
}
