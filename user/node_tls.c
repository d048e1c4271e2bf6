// SPDX-License-Identifier: Apache-2.0
#include "node_tls.h"

#include "base/log.h"

static struct tls_files files_of(const struct config *config)
{
	return (struct tls_files){.certificate = config->tls.certificate,
				  .key = config->tls.key,
				  .client_ca = config->tls.client_ca,
				  .client_required = !config->tls.client_optional,
				  .only_13 = config->tls.only_13};
}

int node_tls_open(struct tls_server **server, const struct config *config)
{
	struct tls_files files = files_of(config);
	char problem[TLS_PROBLEM_BYTES];

	if (!config_has_tls(config))
		return 0;
	int error = tls_server_open(server, &files, problem);
	if (error != 0)
		log_error("event=tls_load error=\"%s\"", problem);
	return error;
}

void node_tls_reload(struct tls_server *server, const struct config *config)
{
	struct tls_files files = files_of(config);
	char problem[TLS_PROBLEM_BYTES];

	if (tls_server_load(server, &files, problem) == 0)
		log_info("event=tls_loaded certificate=%s", files.certificate);
	else
		log_warn("event=tls_load error=\"%s\" note=\"those before stay in force\"", problem);
}

int node_tls_check(const struct config *config, char problem[TLS_PROBLEM_BYTES])
{
	struct tls_files files = files_of(config);
	struct tls_server *server = NULL;

	if (!config_has_tls(config))
		return 0;
	int error = tls_server_open(&server, &files, problem);
	tls_server_close(server);
	return error;
}
