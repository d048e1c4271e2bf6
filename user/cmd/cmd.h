/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_H
#define TOLLBAR_CMD_H
/* cmd.h: the subcommands.  argv[0] is the subcommand's own name; each returns the exit status. */

int cmd_run(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_standing(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_ledger(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_overhead(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_pay(int argc, char **argv);
int cmd_knock(int argc, char **argv);

#endif
