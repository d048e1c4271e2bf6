/* SPDX-License-Identifier: Apache-2.0 */
/* The status page travels inside the program: there is no folder it could be missing from.  Assembled from the top of the
   repository. */
#ifdef __CET__
#include <cet.h> /* says that no code here stands in the way of indirect branch tracking: there is none */
#endif
	.section .rodata
	.globl page_template
	.type page_template, @object
page_template:
	.incbin "user/page.html"
	.size page_template, . - page_template
	.globl page_template_end
page_template_end:
	.section .note.GNU-stack, "", @progbits
