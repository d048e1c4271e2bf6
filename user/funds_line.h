/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_LINE_H
#define TOLLBAR_FUNDS_LINE_H
/* funds_line.h: questions, first in, first out, linked by their mail.  One thread. */
#include "funds_ask.h"

struct line {
	struct mail *first, **last;
};

static inline void line_init(struct line *line)
{
	line->first = NULL;
	line->last = &line->first;
}

static inline void line_push(struct line *line, struct question *question)
{
	question->mail.next = NULL;
	*line->last = &question->mail;
	line->last = &question->mail.next;
}

/* NULL when it is empty. */
static inline struct question *line_pop(struct line *line)
{
	struct question *question = (struct question *)line->first; /* its first member */

	if (question == NULL)
		return NULL;
	line->first = question->mail.next;
	if (line->first == NULL)
		line->last = &line->first;
	return question;
}

#endif
